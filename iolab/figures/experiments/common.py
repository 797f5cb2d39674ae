"""What the figures of the experiments share: whose curve it is, what it stands for, and the axes."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from iolab.data.reference import rows_of
from iolab.experiments.result import Result
from iolab.figures.style import (
    CAPTION_LETTERS,
    GREY,
    HANDLE_LETTERS,
    LINE_IN,
    SMALL_PT,
    CourseFigure,
    finish,
    grow,
    log_axis,
    warning,
)

HERE, RECORDED, PUBLISHED = ("this machine", "-", "o"), ("recorded run", "--", "s"), ("published", ":", "^")
"""Whose curve it is: its name, its dash, its marker."""

Source = tuple[str, str, str]
Row = Mapping[str, Any]
Point = tuple[float, float]


def sources(record: Result) -> list[tuple[Source, Sequence[Row]]]:
    """Return the rows of this machine, and those of the recorded run where there is one."""
    recorded = rows_of(record.name)
    return [(HERE, record.rows)] + ([(RECORDED, recorded)] if recorded else [])


def points(rows: Iterable[Row], x: str, y: str, **keys: Any) -> list[Point]:
    """Return two columns of the rows with these keys, where both have a figure."""
    mine = [row for row in rows if all(row[key] == value for key, value in keys.items())]
    return sorted((row[x], row[y]) for row in mine if row[y] is not None)


def curve(axes: Axes, points: Sequence[Point], source: Source, colour: str, width: float = 2) -> None:
    """Draw one curve; that of this machine stands out, of this width."""
    if not points:
        return
    name, dash, marker = source
    here = name == HERE[0]
    xs, ys = zip(*points, strict=True)
    look: dict[str, Any] = (
        {"markersize": 4 + width, "linewidth": width} if here else {"markersize": 4, "linewidth": 1.1}
    )
    axes.plot(xs, ys, dash, color=colour, marker=marker, **look)


BENEATH = 5
"""The width of the first of several curves: where another lies on it, it shows on both sides."""


def widths(count: int) -> list[float]:
    """Return how wide each of several curves is, the first one of all beneath the others."""
    return [BENEATH, *[2] * (count - 1)]


def name_ends(axes: Axes, ends: Mapping[str, Sequence[Point]]) -> None:
    """Write its name beside the end of each curve; those that end in one place are named together."""
    places: dict[Point, list[str]] = {}
    for name, curve in ends.items():
        if curve:
            x, y = curve[-1]
            near = (place for place in places if place[0] == x and NEAR > y / place[1] > 1 / NEAR)
            places.setdefault(next(near, (x, y)), []).append(name)
    if not places:
        return
    furthest = max(x for x, _ in places)
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, ROOM * max(y for _, y in places)))
    for place, names in places.items():
        above: dict[str, Any] = {"xytext": (-6, 5), "ha": "right", "va": "bottom"}
        below: dict[str, Any] = {"xytext": (7, -3), "ha": "left", "va": "top"}
        look = above if place[0] == furthest else below
        axes.annotate(" and ".join(names), place, textcoords="offset points", fontsize=SMALL_PT, **look)


NEAR, ROOM = 1.5, 2.5
"""Two curves that differ by a factor below this lie on each other; and how far an axis goes beyond the last name."""


def legend(figure: CourseFigure, colours: Mapping[str, str], whose: Sequence[Source]) -> None:
    """Explain the colours, and whose curve has which dash, above the plot, or beneath its title if there is no room."""
    lines: list[Any] = [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in colours.items()]
    styles: list[dict[str, Any]] = [{"linestyle": dash, "marker": mark, "label": name} for name, dash, mark in whose]
    keys: list[Any] = [Line2D([], [], color=GREY, **style) for style in styles]
    letters = sum(len(str(handle.get_label())) + HANDLE_LETTERS for handle in [*lines, *keys])
    figure.legend(handles=lines, loc="outside upper left", ncols=len(lines))
    if letters <= CAPTION_LETTERS:
        figure.legend(handles=keys, loc="outside upper right", ncols=len(keys))
    else:
        grow(figure, 1)
        (axes,) = figure.axes
        axes.set_title(axes.get_title(loc="left"), pad=LINE_IN * 72 + 8)
        axes.legend(handles=keys, loc="lower left", bbox_to_anchor=(-0.01, 1), borderaxespad=0.2, ncols=len(keys))


def decades(axis: Any) -> None:
    """Let a logarithmic axis begin and end at a power of ten, so that two of its marks have a name."""
    low, high = axis.get_view_interval()
    axis.set_view_interval(10.0 ** floor(log10(low)), 10.0 ** ceil(log10(high)), ignore=True)


def size_axis(axis: Any, label: str) -> None:
    """Make an axis logarithmic, in whole numbers."""
    log_axis(axis, label, lambda size: f"{size:,.0f}")


def conclude(figure: CourseFigure, record: Result, sentences: Iterable[str]) -> CourseFigure:
    """Set the alternative text, which ends in the verdict, and the caption with the placement; and the doubts."""
    verdict = record.verdict
    beside = ", ".join(source[0] for source, _ in sources(record)[1:])
    shape = f"same shape as {'published' if record.published else 'expected'}: {verdict.word}"
    parts = [f"{record.title[0].upper()}{record.title[1:]}.", *sentences, f"Beside it: {beside or 'no recorded run'}."]
    doubts = warning((doubt.gist, ", ".join(filter(None, (doubt.where, doubt.share)))) for doubt in record.doubts)
    return finish(figure, " ".join([*parts, f"Verdict, {shape}."]), f"{record.placement}; {shape}", doubts)
