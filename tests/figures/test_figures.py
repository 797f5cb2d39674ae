"""The figures: nobody left out, the same colours everywhere, and words for those who do not see them."""

import base64
import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from iolab import MODELS, figures
from iolab.archive import xrays
from iolab.errors import UsageError
from iolab.figures import style
from iolab.figures.calls import Label, place_labels
from iolab.figures.style import CourseFigure
from iolab.kernel.tracepoints import ARRIVAL, COPY, Happening
from iolab.measurement.comparison import Comparison
from iolab.measurement.cpu import CpuSamples, Usage
from iolab.measurement.placement import Placement
from iolab.measurement.run import Run
from iolab.trace.absences import Absence
from iolab.trace.anatomy import Anatomy
from iolab.trace.calls import Call
from iolab.trace.gaps import Gap
from iolab.trace.timeline import Timeline
from iolab.traffic.doubts import Doubt
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload
from tests import made_up

PALETTE = {*style.CYCLE, *style.PHASES.values()}
PLACEMENT = Placement(0, 1)
US = 1000


def run_of(*times_us: Sequence[float], model: str = "epoll", idle: int = 0) -> Run:
    """Return a run in which each connection took these times, one after the other."""
    connection = np.array([n for n, times in enumerate(times_us) for _ in times], dtype=np.int32)
    service = (np.array([us for times in times_us for us in times], dtype=float) * US).astype(np.int64)
    answered = np.cumsum(service) if len(service) else service
    records = Records(
        workload=Workload(connections=len(times_us), seconds=1, idle=idle),
        connection=connection,
        due_ns=answered - service,
        sent_ns=answered - service,
        answered_ns=answered,
        start_ns=0,
        end_ns=10**9,
        connect_ns=1,
        client_cpu_ns=10**8,
    )
    cpu = CpuSamples(np.arange(5) * 10**8, np.array([0, 1, 3, 3, 4]) * 10**7)
    return Run(model, records, cpu, Usage(0, 0, 0, 0), 0, PLACEMENT)


def timeline_of(*calls: Call, stamped: bool = True) -> Timeline:
    return Timeline("blocking", calls, run_of([200.0] * 3).records, PLACEMENT, stamped, 500)


def conversation(turns: int = 10) -> Iterator[Call]:
    """Yield the calls of a blocking server: every recv waits 150 us, and copies for 20."""
    yield Call("accept", 0, 0, 5 * US, 7, 1)
    for turn in range(turns):
        begin = (10 + 200 * turn) * US
        yield Call("recv", 0, begin, begin + 170 * US, 64, 1, begin + 150 * US)
        yield Call("sendall", 0, begin + 175 * US, begin + 185 * US, 64, 1)


RUN = run_of([10, 12, 11], [20, 20, 1000], [15])
SAMPLES: dict[str, Callable[[], CourseFigure]] = {
    "latency": lambda: figures.latency(RUN),
    "percentiles": lambda: figures.percentiles(RUN, replace(RUN, model="threads")),
    "cpu": lambda: figures.cpu(RUN, replace(RUN, model="threads")),
    "omission": lambda: figures.omission(RUN, RUN),
    "phases": lambda: figures.phases(timeline_of(*conversation())),
    "ranking": lambda: figures.ranking(Comparison((run_of([90.0] * 9), run_of([50.0] * 90, model="poll")))),
    "textbook": lambda: figures.textbook(timeline_of(*conversation())),
    "anatomy": lambda: figures.anatomy(Anatomy(timeline_of(), np.array([[3.0, 1, 2, 4, 5]]))),
    "experiment": lambda: figures.experiment(made_up.waits()),
    "xrays": lambda: figures.xrays({name: xrays.read(name)[0] for name in ("Redis", "http.server")}),
}
IN_NUMBERS = re.compile(r"\d[\d,.]* ?(s|ms|µs|ns|%|times|calls|bytes|kB|CPU|requests)\b|\d")


def colours(figure: CourseFigure) -> set[str]:
    """Return the colours of everything that is drawn."""
    found: list[Any] = []
    for axes in figure.axes:
        found += [line.get_color() for line in axes.get_lines()]
        found += [patch.get_facecolor() for patch in axes.patches if patch.get_visible()]
        found += [colour for each in axes.collections for colour in each.get_edgecolor()]
        found += [text.get_color() for text in axes.texts]
    return {to_hex(colour) for colour in found}


def test_no_public_figure_is_forgotten_here() -> None:
    assert set(SAMPLES) == set(figures.__all__) - {"CourseFigure", "idea"}


@pytest.fixture(scope="module", params=SAMPLES)
def figure(request: pytest.FixtureRequest) -> CourseFigure:
    return SAMPLES[request.param]()


class TestEveryFigure:
    def test_it_has_words_and_numbers_in_them(self, figure: CourseFigure) -> None:
        assert isinstance(figure, CourseFigure)
        assert len(figure.alt) > 40
        assert IN_NUMBERS.search(figure.alt)

    def test_a_notebook_shows_it_with_its_words(self, figure: CourseFigure) -> None:
        shown, _ = figure._repr_mimebundle_()
        assert f'alt="{html.escape(figure.alt, quote=True)}"' in shown["text/html"]
        assert shown["text/plain"] == figure.alt
        found = re.search('image/([^;]+);base64,([^"]+)', shown["text/html"])
        assert found
        picture = base64.b64decode(found[2])
        assert (found[1], picture[:5]) in (("svg+xml", b"<?xml"), ("png", b"\x89PNG\r"))
        assert len(picture) < style.SVG_BYTES

    def test_no_text_is_smaller_than_that_of_the_page(self, figure: CourseFigure) -> None:
        texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
        assert min(float(text.get_fontsize()) for text in texts) >= style.SMALL_PT
        assert style.SMALL_PT * style.DPI / 72 >= 14

    def test_its_colours_are_of_the_palette(self, figure: CourseFigure) -> None:
        assert colours(figure) <= {colour.lower() for colour in PALETTE}

    def test_its_title_has_no_number_and_no_name_of_a_model(self, figure: CourseFigure) -> None:
        titles = " ".join(axes.get_title(loc="left") for axes in figure.axes)
        assert not re.search(r"\d", titles) and not {*titles.split()} & {*MODELS}

    def test_its_axes_are_named(self, figure: CourseFigure) -> None:
        assert all(axes.get_xlabel() for axes in figure.axes)
        assert any(axes.get_title(loc="left") for axes in figure.axes)

    def test_what_is_under_it_says_where_it_was_measured(self, figure: CourseFigure) -> None:
        assert figure.get_supxlabel()

    def test_it_leaves_matplotlib_as_it_was(self) -> None:
        before = dict(matplotlib.rcParams)
        SAMPLES["latency"]()
        assert dict(matplotlib.rcParams) == before


HUE = np.array([[-0.574, 1.430, 0.144], [0.426, 0.430, 0.144], [0.426, 1.430, -0.856]])
"""What `hue-rotate(180deg)` does to red, green and blue (Filter Effects Module, 8.5)."""


def in_the_dark(colour: str) -> Any:
    light = np.array(to_rgb(colour))
    turned = np.clip(HUE @ (light * (1 - style.INVERT) + (1 - light) * style.INVERT), 0, 1)
    return np.clip(turned * style.BRIGHTEN, 0, 1)


def luminance(rgb: Any) -> float:
    return float(np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", sorted({*PALETTE, style.WAKE_UP_LINE}))
def test_a_colour_is_seen_on_a_dark_page(colour: str) -> None:
    page = luminance(np.array(to_rgb("#111111")))
    assert (luminance(in_the_dark(colour)) + 0.05) / (page + 0.05) >= 3


def test_a_long_drawing_becomes_dots_for_dense_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "SVG_BYTES", 0)
    page = SAMPLES["latency"]()._repr_mimebundle_()[0]["text/html"]
    width = int.from_bytes(base64.b64decode(page.partition("image/png;base64,")[2].partition('"')[0])[16:20], "big")
    assert width == 2 * style.WIDTH_IN * style.DPI and f"width: {width // 2}px" in page


@pytest.mark.parametrize("draw", [figures.percentiles, figures.cpu, figures.textbook])
def test_a_figure_of_nothing_says_what_it_expects(draw: Callable[..., CourseFigure]) -> None:
    with pytest.raises(UsageError, match=r"expected (runs|timelines) of `iolab\..*`, one at least"):
        draw()


def test_the_percentiles_go_to_the_longest_curve() -> None:
    runs = [run_of([10] * 20_000), run_of([10] * 20)]
    axes = [figures.percentiles(*order).axes[0] for order in (runs, runs[::-1])]
    names = [[label.get_text() for label in each.get_xticklabels()] for each in axes]
    assert names[0] == names[1] and names[0][-1] == "99.99"


def legend_of(figure: CourseFigure) -> str:
    """Return what the legend says, its names one after the other."""
    legend = figure.axes[0].get_legend()
    return ", ".join(text.get_text() for text in legend.get_texts()) if legend else ""


def doubted(run: Run, kind: str = "reset", model: str = "epoll") -> Run:
    """Return a run with an error of a kind, of which there is an example."""
    return replace(run, model=model, records=replace(run.records, errors={kind: 2}, examples={kind: "at 3"}))


class TestDoubts:
    @pytest.mark.parametrize("draw", [figures.latency, figures.cpu, figures.percentiles])
    def test_a_run_that_is_less_than_it_seems_says_so_under_its_figure(self, draw: Callable[..., CourseFigure]) -> None:
        figure = draw(doubted(RUN))
        assert figure.get_supxlabel().endswith("\nBeware: 2 x reset.")
        assert figure.alt.endswith(" Beware: 2 x reset.")
        assert "Beware" not in draw(RUN).get_supxlabel() + draw(RUN).alt

    @pytest.mark.parametrize("draw", [figures.cpu, figures.percentiles])
    def test_of_several_runs_those_are_named(self, draw: Callable[..., CourseFigure]) -> None:
        runs = (doubted(RUN), RUN, doubted(RUN, model="poll"), doubted(RUN, "late", "threads"))
        assert draw(*runs).alt.endswith("Beware: 2 x reset (epoll, poll); 2 x late (threads).")
        assert draw(doubted(RUN), RUN, labels=["calm", "busy"]).alt.endswith("Beware: 2 x reset (calm).")

    def test_both_loops_are_named(self) -> None:
        assert figures.omission(RUN, doubted(RUN)).alt.endswith("Beware: 2 x reset (open loop).")

    def test_an_experiment_has_its_own(self) -> None:
        doubts = (
            Doubt("client limit", {"share": 0.99}, "poll, 0 idle", 4, 9),
            Doubt("error", {"count": 1, "error": "late", "example": "no"}, "epoll, 9 idle"),
        )
        assert figures.experiment(replace(made_up.idles(), doubts=doubts)).alt.endswith(
            " Beware: the client used 99% of its CPU (poll, 0 idle, 4 of 9 runs); 1 x late (epoll, 9 idle)."
        )

    def test_many_doubts_stay_within_the_figure_which_grows(self) -> None:
        short, long = figures.cpu(RUN), figures.cpu(*(doubted(RUN, f"kind {number} of error") for number in range(9)))
        lines = long.get_supxlabel().splitlines()
        assert len(lines) > 2 and max(map(len, lines)) <= style.CAPTION_LETTERS
        short.draw_without_rendering()
        long.draw_without_rendering()
        assert long.axes[0].get_position().height * long.get_figheight() == pytest.approx(
            short.axes[0].get_position().height * short.get_figheight(), rel=0.25
        )


class TestAxes:
    @pytest.mark.parametrize(
        ("times_us", "names"),
        [
            ([200, 3000], {"200 µs", "500 µs", "1 ms", "2 ms"}),
            ([110, 420], {"200 µs", "300 µs", "400 µs"}),
            ([1, 1e5], {"1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms"}),
        ],
    )
    def test_an_axis_of_times_has_more_than_one_name(self, times_us: list[float], names: set[str]) -> None:
        figure = figures.percentiles(run_of(times_us))
        figure.draw_without_rendering()
        axes = figure.axes[0]
        low, high = axes.get_ylim()
        ticks = [*axes.yaxis.get_major_ticks(), *axes.yaxis.get_minor_ticks()]
        shown = {tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high}
        assert shown - {""} == names

    def test_an_axis_of_percentiles_begins_with_the_median(self) -> None:
        axes = figures.percentiles(run_of(list(range(1, 2001)))).axes[0]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "90", "99", "99.9"]
        assert axes.get_xticks()[0] == 2

    @pytest.mark.parametrize("draw", [figures.latency, figures.cpu, figures.percentiles])
    def test_no_legend_hides_what_is_drawn(self, draw: Callable[..., CourseFigure]) -> None:
        figure = draw(RUN)
        figure.draw_without_rendering()
        legend = figure.axes[0].get_legend()
        assert legend and legend.get_window_extent().y1 < figure.axes[0].get_window_extent().y0

    def test_long_names_stand_below_one_another(self) -> None:
        runs, long = (
            [RUN] * 4,
            [f"{number} clients beside very many silent ones that say nothing at all" for number in range(4)],
        )
        for labels, columns in ((["a"] * 4, 4), (long, 1)):
            figure = figures.percentiles(*runs, labels=labels)
            figure.draw_without_rendering()
            legend = figure.axes[0].get_legend()
            assert legend and legend._ncols == columns  # type: ignore[attr-defined]
            assert legend.get_window_extent().width < figure.bbox.width


class TestColours:
    def test_every_model_has_its_own_in_every_figure(self) -> None:
        assert {model.colour for model in MODELS.values()} <= set(style.PALETTE)
        for draw in (figures.cpu, figures.percentiles):
            (first,), (_, second) = (
                draw(RUN).axes[0].get_lines(),
                draw(run_of([9], model="aio"), RUN).axes[0].get_lines(),
            )
            assert first.get_color() == second.get_color() == style.colour_of("epoll")

    @pytest.mark.parametrize(
        "together",
        [
            ("blocking", "epoll"),
            ("blocking", "threads"),
            ("select", "poll", "epoll"),
            ("selectors", "threads"),
            ("epoll", "aio", "io_uring"),
            ("threads", "epoll", "asyncio", "asyncio-protocol"),
        ],
    )
    def test_models_of_one_figure_differ(self, together: tuple[str, ...]) -> None:
        assert len({style.colour_of(model) for model in together}) == len(together)

    def test_lines_of_one_colour_differ_in_more(self) -> None:
        lines = figures.percentiles(*[RUN] * 12).axes[0].get_lines()
        assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 12


def drawn_columns(figure: CourseFigure) -> tuple[int, int, int]:
    """Return how many connections have a span, a median and a mark of silence."""
    left = figure.axes[0]
    (spans,) = (each for each in left.collections if isinstance(each, LineCollection))
    points = {str(line.get_label()): len(np.atleast_1d(line.get_xdata())) for line in left.get_lines()}
    return len(spans.get_segments()), points.get("median", 0), points.get("no reply", 0)


class TestLatency:
    @pytest.mark.parametrize("connections", [1, 2, 10, 100, 1000])
    def test_every_connection_is_drawn(self, connections: int) -> None:
        figure = figures.latency(run_of(*([float(n + 1)] for n in range(connections))))
        assert drawn_columns(figure) == (connections, connections, 0)
        low, high = figure.axes[0].get_xlim()
        assert low < 0
        assert high > connections - 1

    def test_silent_connections_are_marked(self) -> None:
        figure = figures.latency(run_of([5], [], [7], []))
        assert drawn_columns(figure) == (2, 2, 2)
        assert "2 connections had no reply" in figure.alt

    def test_the_words_name_the_figures_drawn(self) -> None:
        alt = figures.latency(run_of([10, 10, 10], [2000, 2000, 2000])).alt
        assert "the medians lie between 10 µs and 2 ms" in alt
        assert "slowest 2 ms" in alt

    @pytest.mark.parametrize(
        "run",
        [run_of([]), run_of([], []), run_of([5.0]), run_of([5.0] * 10), run_of([0.001, 5e6])],
        ids=["nothing", "nobody", "one", "all the same", "nanosecond to seconds"],
    )
    def test_no_run_is_too_strange_to_draw(self, run: Run) -> None:
        for figure in (figures.latency(run), figures.percentiles(run, RUN)):
            figure.draw_without_rendering()
            assert figure.alt

    def test_a_run_without_a_reply_says_so(self) -> None:
        assert figures.latency(run_of([], [])).alt == "Latency of epoll: no request was answered."

    def test_curves_without_a_reply_say_so(self) -> None:
        assert "epoll: no reply." in figures.percentiles(run_of([])).alt

    def test_two_curves_differ_in_more_than_colour(self) -> None:
        runs = [replace(RUN, model=f"model {number}") for number in range(6)]
        lines = figures.percentiles(*runs).axes[0].get_lines()
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 6
        assert len({line.get_linestyle() for line in lines[:4]}) == 4

    def test_the_curve_goes_from_the_fastest_to_the_slowest(self) -> None:
        (line,) = figures.percentiles(run_of([3, 1, 2, 9])).axes[0].get_lines()
        times = np.asarray(line.get_ydata(), dtype=float)
        assert (times[0], times[-1]) == (1, 9)
        assert (np.diff(times) >= 0).all()


class TestCpu:
    def test_the_line_is_the_share_in_every_interval(self) -> None:
        (line,) = figures.cpu(RUN).axes[0].get_lines()
        assert np.asarray(line.get_ydata(), dtype=float).tolist() == pytest.approx([10, 20, 0, 10])
        assert np.asarray(line.get_xdata(), dtype=float).tolist() == pytest.approx([0.05, 0.15, 0.25, 0.35])

    def test_the_line_ends_with_its_load(self) -> None:
        ended = replace(RUN, records=replace(RUN.records, end_ns=305_000_000))
        (line,) = figures.cpu(ended).axes[0].get_lines()
        assert np.asarray(line.get_ydata(), dtype=float).tolist() == pytest.approx([10, 20, 0])

    def test_a_server_that_did_nothing_has_a_line_too(self) -> None:
        idle = replace(RUN, cpu=CpuSamples(RUN.cpu.at_ns, RUN.cpu.cpu_ns * 0))
        assert figures.cpu(idle).axes[0].get_ylim()[1] > 0

    def test_the_words_name_the_average(self) -> None:
        assert "epoll: 10% of one CPU on average." in figures.cpu(RUN).alt

    def test_a_run_without_an_answer_has_a_line_too(self) -> None:
        assert len(figures.cpu(run_of([])).axes[0].get_lines()) == 1


def widths_us(axes: Any, colour: str) -> list[float]:
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [bar.get_width() for bar in bars if to_hex(bar.get_facecolor()) == colour.lower()]


class TestPhases:
    def test_a_wait_and_its_copy_are_drawn_as_long_as_they_were(self) -> None:
        axes = figures.phases(timeline_of(*conversation()), skip=1, calls=6).axes[0]
        assert widths_us(axes, style.WAITING) == pytest.approx([150] * 3)
        assert widths_us(axes, style.COPYING) == pytest.approx([20] * 3)

    def test_the_words_name_both_phases(self) -> None:
        alt = figures.phases(timeline_of(*conversation())).alt
        assert "recv waits for data 6 times, 150 µs in the median, and then takes 20 µs for wake-up and copy." in alt

    @pytest.mark.parametrize("calls", [[], [Call("accept", 0, 0, 5, 7, 1)], [Call("recv", 0, 5, 5, "EAGAIN", 1)]])
    def test_a_short_timeline_is_drawn_too(self, calls: list[Call]) -> None:
        figure = figures.phases(timeline_of(*calls))
        figure.draw_without_rendering()
        assert figure.alt

    def test_the_words_count_what_was_in_vain(self) -> None:
        asked = [Call("recv", 0, turn * US, turn * US + 500, "EAGAIN", 1) for turn in range(9)]
        alt = figures.phases(timeline_of(*asked, Call("recv", 0, 9 * US, 11 * US, 64, 1, 0)), skip=0).alt
        assert "recv finds its bytes there once, and copies them in 2 µs in the median. recv: EAGAIN 9 times." in alt

    def test_the_words_name_the_call_that_waits(self) -> None:
        waits = [Call("select", None, turn * US, turn * US + 900, 1, 1, turn * US + 700) for turn in range(3)]
        alt = figures.phases(timeline_of(*waits), skip=0).alt
        assert "select waits for data 3 times, 700 ns in the median, and then takes 200 ns for the wake-up." in alt
        rings = [replace(wait, name="io_uring_enter", arrived_ns=None) for wait in waits]
        alt = figures.phases(timeline_of(*rings), skip=0).alt
        assert "io_uring_enter waits 3 times, 900 ns in the median; no stamp tells when its bytes came." in alt

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (Call("recv", 0, 0, 9, 64, 1, 5), "waiting for data, wake-up and copy"),
            (Call("recv", 0, 0, 9, 64, 1, 0), "copy"),
            (Call("epoll_wait", None, 0, 9, 1, 1, 5), "waiting for data, wake-up"),
        ],
    )
    def test_the_legend_says_what_came_after_the_wait(self, call: Call, says: str) -> None:
        assert legend_of(figures.phases(timeline_of(call), skip=0)) == says

    def test_one_colour_of_two_phases_is_named_by_both(self) -> None:
        calls = [Call("recv", 0, 0, 9, 64, 1, 5), Call("recv", 0, 10, 19, 64, 1, 0)]
        says = legend_of(figures.phases(timeline_of(*calls), skip=0))
        assert says == "waiting for data, copy or wake-up and copy"

    def test_where_the_kernel_told_when_the_thread_ran_the_copy_is_alone(self) -> None:
        slept = Call("recv", 0, 0, 100 * US, 64, 1, 70 * US, (Absence(2 * US, 90 * US),))
        figure = figures.phases(timeline_of(slept), skip=0)
        assert legend_of(figure) == "waiting for data, wake-up, copy, at work in a call"
        assert widths_us(figure.axes[0], style.COPYING) == [10]
        assert "recv waits for data once, 70 µs in the median, and then takes 20 µs for the wake-up" in figure.alt
        assert "and 10 µs for the copy." in figure.alt

    def test_what_lies_between_the_calls_has_a_row(self) -> None:
        calls = [Call("recv", 0, 0, 10, 64, 1, 0, ()), Call("send", 0, 30, 40, 64, 1, None, ())]
        timeline = replace(timeline_of(*calls), gaps=(Gap(1, 10, 30, (Absence(15, 20),)),))
        figure = figures.phases(timeline, skip=0)
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["connection 0", "between calls"]
        assert legend_of(figure) == "copy, at work in a call, Python at work, asleep for a lock"

    def test_steps_of_the_kernel_have_a_row_a_cpu_and_say_whose_thread_took_them(self) -> None:
        steps = (Happening(ARRIVAL, 5, 1, 77, {}), Happening(COPY, 8, 0, 1, {}))
        timeline = replace(timeline_of(Call("recv", 0, 0, 10, 64, 1, 0, ())), steps=steps)
        figure = figures.phases(timeline, skip=0)
        assert figure.alt.endswith(
            "The kernel's steps: arrival, by the client's thread 1; copy, by the server's thread 1."
        )
        rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert rows == ["connection 0", "kernel, CPU 0", "kernel, CPU 1"]
        assert legend_of(figure) == "copy, arrival, by the client's thread, copy, by the server's thread"

    @pytest.mark.parametrize(("turns", "unit"), [(1, "microseconds"), (12, "milliseconds")])
    def test_a_long_time_is_written_in_milliseconds(self, turns: int, unit: str) -> None:
        axes = figures.phases(timeline_of(*conversation(turns)), skip=0, calls=2 * turns).axes[0]
        assert axes.get_xlabel() == unit
        assert (axes.xaxis.get_major_formatter()(500.0) == "0.5") is (unit == "milliseconds")

    def test_connections_stand_in_the_order_of_their_numbers(self) -> None:
        calls = [Call("recv", number, number * 10, number * 10 + 5, 64, 1) for number in (0, 2, 10, 1)]
        axes = figures.phases(timeline_of(*calls), skip=0).axes[0]
        labels = [label.get_text() for label in axes.get_yticklabels()]
        assert labels == [f"connection {number}" for number in (0, 1, 2, 10)]


def label(text: str, left: float, bars_end: float, weight: float, brought: bool = False) -> Label:
    """Return a label of a call that was not in vain, one unit a letter."""
    return Label(text, left, bars_end, 1, (True, brought, weight))


class TestNames:
    def test_a_recv_with_bytes_comes_before_its_send(self) -> None:
        calls = [Call("recv", 0, 0, 1 * US, 64, 1, 0), Call("send", 0, 2 * US, 100 * US, 64, 1)]
        texts = [text.get_text() for text in figures.phases(timeline_of(*calls), skip=0).axes[0].texts]
        assert texts == ["recv", "send"]

    def test_a_name_without_room_moves_along_its_bar(self) -> None:
        found = place_labels([label("recv", 0, 2, 2, brought=True), label("send", 2, 20, 18)])
        assert [(each.text, each.left_us) for each in found] == [("recv", 0), ("send", 5)]

    def test_one_that_would_leave_its_bar_is_left_out(self) -> None:
        found = place_labels([label("recv", 0, 2, 2, brought=True), label("send", 2, 8, 6)])
        assert [each.text for each in found] == ["recv"]

    def test_the_longest_stays_in_its_place(self) -> None:
        found = place_labels([label("send", 8, 9, 1), label("select", 10, 90, 80)])
        assert [each.text for each in found] == ["select"]

    def test_names_never_touch(self) -> None:
        many = [label("recv"[: 1 + n % 4], n * 1.7, n * 1.7 + n % 9, n % 7, brought=n % 2 == 0) for n in range(60)]
        spans = sorted((each.left_us, each.right_us) for each in place_labels(many))
        assert len(spans) > 5 and all(before[1] <= after[0] for before, after in pairwise(spans))

    def test_a_name_has_no_paper_that_would_stay_light_on_a_dark_page(self) -> None:
        axes = figures.phases(timeline_of(*conversation())).axes[0]
        assert axes.texts and not any(text.get_bbox_patch() for text in axes.texts)


def test_an_omission_without_replies_is_drawn() -> None:
    figure = figures.omission(run_of([]), run_of([]))
    figure.draw_without_rendering()
    assert figure.alt


class TestRanking:
    def test_every_model_has_its_place_by_its_ratio_to_the_baseline(self) -> None:
        dear, cheap = run_of([90.0] * 9, model="threads"), run_of([50.0] * 90, model="epoll")
        figure = figures.ranking(Comparison((dear, cheap)))
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["epoll", "threads"]
        assert "at 1 connection, as times that of epoll, smallest first: epoll 1.00 times" in figure.alt
        assert "threads 10.00 times, median latency 90 µs" in figure.alt

    def test_with_enough_repeats_each_has_its_interval(self) -> None:
        pairs = [run for _ in range(6) for run in (run_of([90.0] * 9), run_of([50.0] * 90, model="poll"))]
        assert "poll 0.10 times (0.10 to 0.10)" in figures.ranking(Comparison(tuple(pairs))).alt

    def test_a_model_that_answered_nothing_is_left_out(self) -> None:
        figure = figures.ranking(Comparison((run_of([50.0] * 9), run_of([], model="poll"))))
        assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["epoll"]
