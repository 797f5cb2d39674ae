"""What each step of io_uring saves, and where completion wins: ratios with their intervals."""

from collections.abc import Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iolab.experiments.file_access import Files
from iolab.experiments.uring_steps import RingSteps
from iolab.figures.experiments.common import HERE, RECORDED, Row, conclude, sources
from iolab.figures.style import BESIDE, COLUMNS, GREY, CourseFigure, in_style, log_axis, new

MARK_IN, BETWEEN_STEPS = 0.17, 0.2
"""How high the line of one mark is, and which part of a step stays free."""

RATES = (("faster", "faster_low", "faster_high"), -0.3, COLUMNS[0]), (("times", "low", "high"), 0.1, COLUMNS[1])


@in_style
def ring_steps(record: RingSteps) -> CourseFigure:
    """Draw the CPU time of a request as a multiple of epoll's, one colour a number of connections."""
    steps = list(dict.fromkeys(row["step"] for row in record.rows))
    counts = list(dict.fromkeys(row["connections"] for row in record.rows))
    colours = dict(zip(counts, cycle(COLUMNS), strict=False))
    figure, (axes,) = new(height_in=1.6 + MARK_IN * (len(counts) + 1) * len(steps))
    for (whose, *_), rows in sources(record):
        for row in rows:
            if row["times"] is not None and row["connections"] in counts:
                place = counts.index(row["connections"]) - (len(counts) - 1) / 2
                room, colour = (1 - BETWEEN_STEPS) / len(counts), colours[row["connections"]]
                height = steps.index(row["step"]) + room * place
                if whose == HERE[0]:
                    _interval(axes, row, ("times", "low", "high"), height, colour, f"{row['calls']:.2f} calls")
                else:
                    _recorded(axes, row, ("times", "low", "high"), height + room / 2, colour)
    for step in {row["step"] for row in record.rows if row["times"] is None}:
        axes.annotate("cannot run here", (1, steps.index(step)), (6, 0), **BESIDE)
    _finish_axes(axes, steps)
    axes.set_xlabel("times the CPU time of epoll")
    for count, colour in colours.items():
        axes.plot([], [], "o", color=colour, label=_many(count))
    _finish_legend(figure, axes)
    axes.set_title(record.title)
    return conclude(figure, record, [_step(row) for row in record.rows])


@in_style
def files(record: Files) -> CourseFigure:
    """Draw rate and CPU time of each way as multiples of those of a pool of threads."""
    figure, (axes,) = new(height_in=4.2)
    names = [f"{row['work']}, {row['way']}" for row in record.rows]
    for (whose, *_), rows in sources(record):
        for height, row in enumerate(rows):
            if row["times"] is not None:
                for keys, place, colour in RATES:
                    if whose == HERE[0]:
                        _interval(axes, row, keys, height + place, colour)
                    else:
                        _recorded(axes, row, keys, height + place + 0.2, colour)
    _finish_axes(axes, names)
    log_axis(axes.xaxis, "times that of the pool", lambda times: f"{times:g}")
    for (_, _, colour), label in zip(RATES, ("operations per second", "CPU time of one"), strict=True):
        axes.plot([], [], "o", color=colour, label=label)
    _finish_legend(figure, axes)
    axes.set_title("a file, piece by piece")
    return conclude(figure, record, [_way(row) for row in record.rows])


def _interval(axes: Axes, row: Row, keys: tuple[str, str, str], height: float, colour: str, text: str = "") -> None:
    middle, low, high = (row[key] for key in keys)
    axes.plot(middle, height, "o", color=colour)
    if low is not None:
        axes.plot([low, high], [height, height], color=colour, linewidth=1.5)
    axes.annotate(text, (high or middle, height), (6, 0), **BESIDE)


def _recorded(axes: Axes, row: Row, keys: tuple[str, str, str], height: float, colour: str) -> None:
    middle, low, high = (row[key] for key in keys)
    _, dash, marker = RECORDED
    if low is not None:
        axes.plot([low, high], [height, height], dash, color=colour, linewidth=1.1)
    axes.plot(middle, height, marker, color=colour, markersize=3)


def _finish_legend(figure: Figure, axes: Axes) -> None:
    name, dash, marker = RECORDED
    axes.plot([], [], dash, marker=marker, color=GREY, linewidth=1.1, markersize=3, label=name)
    figure.legend(loc="outside upper right", ncols=5)


def _finish_axes(axes: Axes, names: Sequence[str]) -> None:
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _many(count: int) -> str:
    return f"{count:,} connection{'s' * (count > 1)}"


def _step(row: Row) -> str:
    name = f"{row['step']}, {_many(row['connections'])}"
    if row["times"] is None:
        return f"{name}: {row['why_not']}."
    return f"{name}: {row['calls']:.2f} system calls a request, {row['times']:.2f} times the CPU of epoll."


def _way(row: Row) -> str:
    name = f"{row['work']}, {row['way']}"
    if row["times"] is None:
        return f"{name}: {row['why_not']}."
    return f"{name}: {row['per_s']:,.0f} per second, {row['us_per_operation']:.1f} µs of CPU each."
