"""The texts of a figure, where they are."""

from collections.abc import Iterator
from itertools import combinations

from matplotlib.axis import Axis, Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from iolab.figures import CourseFigure


def texts(figure: CourseFigure) -> Iterator[tuple[str, Bbox]]:
    """Yield every text that a figure shows that was drawn, with its place in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    marks = {id(mark.label1) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for mark in marks_of(axis)}
    every = {id(mark.label1) for mark in figure.findobj(Tick)}
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and (id(text) not in every or id(text) in marks):
            yield text.get_text(), text.get_window_extent(renderer)


def marks_of(axis: Axis) -> list[Tick]:
    """Return the marks that an axis shows."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-9 * max(abs(low), abs(high))
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()] if axis.get_visible() else []
    return [tick for tick in ticks if low - slack <= tick.get_loc() <= high + slack and tick.label1.get_visible()]


def names_of_marks(axis: Axis) -> list[str]:
    """Return the names of the marks that an axis of a figure shows that was drawn."""
    return [name for mark in marks_of(axis) if (name := mark.label1.get_text())]


def collisions(figure: CourseFigure) -> list[tuple[str, str]]:
    """Return the pairs of texts that lie on each other."""
    pairs = combinations(texts(figure), 2)
    return [(one, other) for (one, here), (other, there) in pairs if _overlap(here, there)]


def _overlap(one: Bbox, other: Bbox) -> bool:
    """Say whether two places share more than a pixel."""
    return bool(one.padded(-1).overlaps(other))
