"""What the figures of the experiments share: whose curve it is, what it stands for, and the axes."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from iolab.data.reference import rows_of
from iolab.experiments.result import Result
from iolab.figures.style import GREY, CourseFigure, finish, warning

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


def curve(axes: Axes, points: Sequence[Point], source: Source, colour: str) -> None:
    """Draw one curve; that of this machine stands out."""
    if not points:
        return
    name, dash, marker = source
    wide = name == HERE[0]
    xs, ys = zip(*points, strict=True)
    axes.plot(xs, ys, dash, color=colour, marker=marker, markersize=6 if wide else 4, linewidth=2 if wide else 1.1)


def legend(figure: CourseFigure, colours: Mapping[str, str], whose: Sequence[Source]) -> None:
    """Explain the colours, and whose curve has which dash, above the plot."""
    lines: list[Any] = [Line2D([], [], color=colour, linewidth=2, label=name) for name, colour in colours.items()]
    figure.legend(handles=lines, loc="outside upper left", ncols=len(lines))
    styles: list[dict[str, Any]] = [{"linestyle": dash, "marker": mark, "label": name} for name, dash, mark in whose]
    keys: list[Any] = [Line2D([], [], color=GREY, **style) for style in styles]
    figure.legend(handles=keys, loc="outside upper right", ncols=len(keys))


def decades(axis: Any) -> None:
    """Let a logarithmic axis begin and end at a power of ten, so that two of its marks have a name."""
    low, high = axis.get_view_interval()
    axis.set_view_interval(10.0 ** floor(log10(low)), 10.0 ** ceil(log10(high)), ignore=True)


def size_axis(axis: Any, label: str) -> None:
    """Make an axis logarithmic, in whole numbers."""
    axis.axes.set_yscale("log") if axis.axis_name == "y" else axis.axes.set_xscale("log")
    axis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(label)


def conclude(figure: CourseFigure, record: Result, sentences: Iterable[str]) -> CourseFigure:
    """Set the alternative text, which ends in the verdict, and the caption with the placement; and the doubts."""
    verdict = record.verdict
    beside = ", ".join(source[0] for source, _ in sources(record)[1:])
    shape = f"same shape as {'published' if record.published else 'expected'}: {verdict.word}"
    parts = [f"{record.title[0].upper()}{record.title[1:]}.", *sentences, f"Beside it: {beside or 'no recorded run'}."]
    doubts = warning((doubt.gist, ", ".join(filter(None, (doubt.where, doubt.share)))) for doubt in record.doubts)
    return finish(figure, " ".join([*parts, f"Verdict, {shape}."]), f"{record.placement}; {shape}", doubts)
