"""The figures of what is recorded: nothing lies on another, and a colour has one meaning."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from iolab import figures
from iolab.archive import results, runs, xrays
from iolab.archive.fallback import file_of
from iolab.course.wild import WILD
from iolab.data.reference import DATA
from iolab.figures import CourseFigure, style
from iolab.figures.calls import BETWEEN, CALLS
from iolab.figures.experiments.common import name_ends
from iolab.figures.ideas import IDEAS, idea
from iolab.figures.timelines import PART_COLOURS
from iolab.measurement.comparison import Comparison
from iolab.measurement.run import Run
from iolab.playback import assets
from iolab.trace.anatomy import anatomy
from iolab.trace.timeline import Timeline
from tests.figures.texts import collisions, names_of_marks


def run(name: str) -> Run:
    return runs.read(file_of(name), Run)


def timeline(name: str) -> Timeline:
    return runs.read(file_of(name), Timeline)


def experiment(name: str) -> CourseFigure:
    return figures.experiment(results.read(DATA / f"recorded/{name}.json"))


def of_models(*models: str) -> set[str]:
    return {style.colour_of(model) for model in models}


PHASES, CLOCKS, COLUMNS = set(style.PHASES.values()), set(style.CLOCKS.values()), set(style.COLUMNS)
Drawing = tuple[Callable[[], CourseFigure], set[str]]

DRAWINGS: dict[str, Drawing] = {
    "copy_cost": (lambda: experiment("copy_cost"), PHASES | {style.WAKE_UP_LINE}),
    "wait_cost": (lambda: experiment("wait_cost"), of_models("select", "poll", "epoll")),
    "idle_cost": (lambda: experiment("idle_cost"), of_models("select", "poll", "epoll")),
    "connection_cost": (
        lambda: experiment("connection_cost"),
        of_models("threads", "epoll", "asyncio", "asyncio-protocol"),
    ),
    "omission": (lambda: experiment("omission"), CLOCKS),
    "gil": (lambda: experiment("gil"), set()),
    "herd": (lambda: experiment("herd"), of_models("prefork", "prefork-exclusive")),
    "balance": (
        lambda: experiment("balance"),
        of_models("prefork", "prefork-exclusive", "reuseport", "handoff"),
    ),
    "cores": (lambda: experiment("cores"), of_models("threads", "prefork", "handoff")),
    "same": (lambda: experiment("same"), COLUMNS),
    "ring_steps": (lambda: experiment("ring_steps"), COLUMNS),
    "files": (lambda: experiment("files"), COLUMNS),
    "latency": (lambda: figures.latency(run("05-signals")), of_models("signals")),
    "percentiles": (lambda: figures.percentiles(run("05-signals"), run("05-epoll")), of_models("signals", "epoll")),
    "cpu": (lambda: figures.cpu(run("05-signals"), run("05-epoll")), of_models("signals", "epoll")),
    "one stall": (lambda: figures.omission(run("05-signals"), run("05-epoll")), CLOCKS),
    "ranking": (lambda: figures.ranking(Comparison((run("05-epoll"), run("05-signals")))), set()),
    "phases": (lambda: figures.phases(timeline("05-inside"), skip=40, calls=18), PHASES),
    "phases of a ring": (lambda: figures.phases(timeline("06-kernel"), calls=6), PHASES),
    "textbook": (lambda: figures.textbook(timeline("06-one-epoll"), timeline("06-one-io_uring")), PHASES),
    "xrays": (lambda: figures.xrays({name: xrays.read(name)[0] for name in WILD}), PHASES),
    "anatomy": (lambda: figures.anatomy(anatomy(timeline("06-one-epoll"))), PHASES),
    **{name: (lambda name=name: idea(name), PHASES) for name in IDEAS},  # type: ignore[misc]
}
"""Every figure, and the colours of the language that it speaks."""


@cache
def draw(name: str) -> CourseFigure:
    figure = DRAWINGS[name][0]()
    figure.draw_without_rendering()  # no text has its place before
    return figure


def test_every_recorded_experiment_is_here() -> None:
    assert {path.stem for path in (DATA / "recorded").glob("*.json")} <= set(DRAWINGS)


@pytest.mark.parametrize("name", DRAWINGS)
class TestEveryFigure:
    def test_no_text_lies_on_another(self, name: str) -> None:
        assert collisions(draw(name)) == []

    def test_it_speaks_one_language_of_colours(self, name: str) -> None:
        assert set(drawn(draw(name))) <= {colour.lower() for colour in DRAWINGS[name][1] | {style.INK, style.GREY}}

    def test_a_logarithmic_axis_has_three_names_or_more(self, name: str) -> None:
        axes = [axis for each in draw(name).axes for axis in (each.xaxis, each.yaxis) if axis.get_scale() == "log"]
        assert [axis.get_label_text() for axis in axes if len(names_of_marks(axis)) < 3] == []


def drawn(figure: CourseFigure) -> Iterator[str]:
    """Yield the colours of everything that is drawn into the plots of a figure."""
    for axes in figure.axes:
        artists: list[Any] = [*axes.lines, *axes.patches, *axes.collections]
        for artist in artists:
            if isinstance(artist, Line2D):
                yield to_hex(artist.get_color())
            elif isinstance(artist, Patch) and to_rgba(artist.get_facecolor())[3]:
                yield to_hex(artist.get_facecolor())
            elif isinstance(artist, Collection):
                yield from (to_hex(colour) for colour in np.atleast_2d(artist.get_edgecolor()))


class TestLanguages:
    @pytest.mark.parametrize("colours", [[*style.PHASES.values()], [*style.CLOCKS.values()], [*style.COLUMNS]])
    def test_no_two_meanings_share_a_colour(self, colours: list[str]) -> None:
        assert len(set(colours)) == len(colours)

    def test_calls_gaps_and_parts_of_a_request_are_in_the_colours_of_phases(self) -> None:
        used = [colour for colour, _ in [*CALLS.values(), *BETWEEN.values()]]
        assert {*used, *PART_COLOURS.values()} <= PHASES
        assert len({*PART_COLOURS.values()}) == len(PART_COLOURS) - 1, "a copy is one, with a wake-up or without"

    def test_a_replay_has_the_same(self) -> None:
        css = assets.read("player.css")
        hexes = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css))
        for selector, colour in {
            ".badge.asleep": style.WAITING, ".waking": style.WAKE_UP, ".running": style.WORKING,
            ".copying": style.COPYING, ".vain": style.IN_VAIN, ".between": style.PYTHON,
            ".preempted": style.PREEMPTED, ".packet.reply": style.REPLYING, ".fill": style.COPYING,
        }.items():  # fmt: skip
            rule = next(line for line in css.splitlines() if f"{selector} {{" in line or f"{selector}," in line)
            used = re.findall(r"var\(--(\w+)\)", rule.partition("{")[2])
            assert colour.lower() in [hexes[name] for name in used if name in hexes], selector


def test_curves_that_end_in_one_place_are_named_together() -> None:
    figure, (axes,) = style.new()
    axes.set_yscale("log")
    name_ends(axes, {"select": [(1, 5), (10, 90)], "poll": [(1, 5), (10, 100)], "epoll": [(1, 5), (10, 5)], "none": []})
    assert [text.get_text() for text in figure.axes[0].texts] == ["select and poll", "epoll"]


@pytest.mark.parametrize(
    ("low", "high", "named"),
    [(5, 900, [2, 5]), (1, 1000, []), (110, 420, [2, 3, 4, 5, 6, 7, 8, 9]), (10, 100, [2, 5])],
)
def test_marks_between_powers_of_ten_have_names_where_these_are_few(low: float, high: float, named: list[int]) -> None:
    assert [digit for digit in range(2, 10) if style.has_name(digit * 10, low, high)] == named
