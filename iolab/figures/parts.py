"""One request, taken apart: how long each part of it takes."""

from iolab.figures.style import BLUE, COPYING, GREEN, ORANGE, SKY, CourseFigure, drawn, finish, new, short_time
from iolab.trace.anatomy import Anatomy

COLOURS = (SKY, COPYING, GREEN, ORANGE, BLUE)


@drawn
def anatomy(parts: Anatomy) -> CourseFigure:
    """Draw the median of every part of a request, one after the other in the order in which they happen."""
    figure, (axes,) = new(height_in=2.6)
    begin = 0.0
    for row, (length, colour) in enumerate(zip(parts.median_us.values(), COLOURS, strict=True)):
        axes.barh(row, length, left=begin, color=colour, height=0.6)
        axes.annotate(short_time(length), (begin + length, row), xytext=(4, 0), textcoords="offset points", va="center")
        begin += length
    axes.set_yticks(range(len(COLOURS)), list(parts.median_us))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, begin * 1.12)
    axes.set_xlabel("microseconds since the client sent the request")
    axes.set_title(f"{parts.timeline.model}: where the time of a request goes")
    alt = "The parts of a request, medians: " + ", ".join(
        f"{name} {short_time(length)}" for name, length in parts.median_us.items()
    )
    return finish(figure, alt + ".", f"medians of {len(parts.parts_us):,} requests; {parts.timeline.placement}")
