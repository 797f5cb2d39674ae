"""What each step of io_uring saves, and where completion wins: ratios with their intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from iolab.experiments.file_access import Files
from iolab.experiments.uring_steps import RingSteps
from iolab.figures.experiments.common import Row, conclude
from iolab.figures.style import BLUE, GREY, ORANGE, VERMILION, CourseFigure, in_style, new

COLOURS = (BLUE, VERMILION, ORANGE, GREY)


@in_style
def ring_steps(record: RingSteps) -> CourseFigure:
    """Draw the CPU time of a request as a multiple of epoll's, one colour a number of connections."""
    figure, (axes,) = new(height_in=3.4)
    steps = list(dict.fromkeys(row["step"] for row in record.rows))
    counts = list(dict.fromkeys(row["connections"] for row in record.rows))
    for row in record.rows:
        if row["times"] is not None:
            number = counts.index(row["connections"])
            height = steps.index(row["step"]) + 0.18 * (number - (len(counts) - 1) / 2)
            text = f"{row['calls']:.2f} calls"
            _interval(axes, row, ("times", "low", "high"), height, COLOURS[number % len(COLOURS)], text)
    _finish_axes(axes, steps, "times the CPU time of epoll")
    for number, count in enumerate(counts):
        axes.plot([], [], "o", color=COLOURS[number % len(COLOURS)], label=f"{count:,} connections")
    axes.set_title(record.title)
    figure.legend(loc="outside upper right", ncols=len(counts))
    return conclude(figure, record, [_step(row) for row in record.rows])


@in_style
def files(record: Files) -> CourseFigure:
    """Draw rate and CPU time of each way as multiples of those of a pool of threads."""
    figure, (axes,) = new(height_in=3.4)
    names = [f"{row['work']}, {row['way']}" for row in record.rows]
    for height, row in enumerate(record.rows):
        if row["times"] is not None:
            _interval(axes, row, ("faster", "faster_low", "faster_high"), height - 0.15, BLUE)
            _interval(axes, row, ("times", "low", "high"), height + 0.15, VERMILION)
    _finish_axes(axes, names, "times that of the pool")
    axes.set_xscale("log")
    for colour, label in ((BLUE, "operations per second"), (VERMILION, "CPU time of one")):
        axes.plot([], [], "o", color=colour, label=label)
    axes.set_title(record.title)
    figure.legend(loc="outside upper right", ncols=2)
    return conclude(figure, record, [_way(row) for row in record.rows])


def _interval(axes: Axes, row: Row, keys: tuple[str, str, str], height: float, colour: str, text: str = "") -> None:
    middle, low, high = (row[key] for key in keys)
    axes.plot(middle, height, "o", color=colour)
    if low is not None:
        axes.plot([low, high], [height, height], color=colour, linewidth=1.5)
    axes.annotate(text, (high or middle, height), (6, 0), textcoords="offset points", va="center", fontsize=8)


def _finish_axes(axes: Axes, names: Sequence[str], label: str) -> None:
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)


def _step(row: Row) -> str:
    name = f"{row['step']}, {row['connections']:,} connections"
    if row["times"] is None:
        return f"{name}: {row['why_not']}."
    return f"{name}: {row['calls']:.2f} system calls a request, {row['times']:.2f} times the CPU of epoll."


def _way(row: Row) -> str:
    name = f"{row['work']}, {row['way']}"
    if row["times"] is None:
        return f"{name}: {row['why_not']}."
    return f"{name}: {row['per_s']:,.0f} per second, {row['us_per_operation']:.1f} µs of CPU each."
