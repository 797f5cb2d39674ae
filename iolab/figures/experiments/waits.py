"""The cost of a wait: table 63-9 of TLPI, drawn on this machine."""

from collections.abc import Sequence

from iolab.data.reference import rows_of
from iolab.display.units import short_time
from iolab.experiments.waits import WaitCost
from iolab.figures.experiments.common import (
    HERE,
    PUBLISHED,
    Point,
    conclude,
    curve,
    legend,
    name_ends,
    points,
    size_axis,
    sources,
    widths,
)
from iolab.figures.style import CourseFigure, colour_of, in_style, new, time_axis

CALLS = ("select", "poll", "epoll")


@in_style
def wait_cost(record: WaitCost) -> CourseFigure:
    """Draw the CPU time of a wait against the number of watched descriptors, beside the published table."""
    figure, (axes,) = new(height_in=4)
    published = {call: points(rows_of("tlpi-63-9"), "watched", f"{call}_s") for call in CALLS}
    for call, width in zip(CALLS, widths(len(CALLS)), strict=True):
        curve(axes, in_us(published[call]), PUBLISHED, colour_of(call))
        for source, rows in reversed(sources(record)):
            curve(axes, points(rows, "watched", "us_per_wait", call=call), source, colour_of(call), width)
    size_axis(axes.xaxis, "watched descriptors, one of them ready")
    time_axis(axes.yaxis, "CPU time of a wait")
    name_ends(axes, {call: points(record.rows, "watched", "us_per_wait", call=call) for call in CALLS})
    axes.set_title(record.title)
    whose = [source for source, _ in sources(record)] + ([PUBLISHED] if any(published.values()) else [])
    legend(figure, {call: colour_of(call) for call in CALLS}, whose)
    return conclude(figure, record, [_sentence(record, call) for call in CALLS])


def in_us(seconds: Sequence[Point]) -> list[Point]:
    """Return seconds per 100,000 waits as microseconds a wait."""
    return [(watched, cost_s * 10) for watched, cost_s in seconds]


def _sentence(record: WaitCost, call: str) -> str:
    mine = points(record.rows, "watched", "us_per_wait", call=call)
    if not mine:
        return f"{call}: no figures on {HERE[0]}."
    (few, least), (many, most) = mine[0], mine[-1]
    return f"{call}: {short_time(least)} for {few:,} descriptors, {short_time(most)} for {many:,}."
