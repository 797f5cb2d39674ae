"""The two phases of a recv against its size: what grows, and what does not."""

from iolab.display.units import short_time
from iolab.experiments.copies import CopyCost
from iolab.figures.experiments.common import HERE, conclude, curve, decades, legend, points, size_axis, sources
from iolab.figures.style import COPYING, WAKE_UP_LINE, WORKING, CourseFigure, in_style, new, time_axis

PARTS = {
    "copy_us": ("bytes there, call and copy", COPYING),
    "running_us": ("asleep first, call and copy", WORKING),
    "waking_us": ("asleep first, wake-up", WAKE_UP_LINE),
}
"""By figure: its name, and its colour."""


@in_style
def copy_cost(record: CopyCost) -> CourseFigure:
    """Draw the copy of a recv and its wake-up against the number of bytes."""
    figure, (axes,) = new(height_in=4)
    for part, (_, colour) in PARTS.items():
        for source, rows in reversed(sources(record)):
            curve(axes, points(rows, "size_bytes", part), source, colour)
    size_axis(axes.xaxis, "bytes received by one call")
    time_axis(axes.yaxis, "median time")
    decades(axes.yaxis)
    axes.set_title(record.title)
    legend(figure, dict(PARTS.values()), [source for source, _ in sources(record)])
    return conclude(figure, record, [_sentence(record, part) for part in PARTS])


def _sentence(record: CopyCost, part: str) -> str:
    mine = points(record.rows, "size_bytes", part)
    if not mine:
        return f"{PARTS[part][0]}: no figures on {HERE[0]}."
    (few, least), (many, most) = mine[0], mine[-1]
    return f"{PARTS[part][0]}: {short_time(least)} for {few:,} bytes, {short_time(most)} for {many:,}."
