"""The pieces of a drawing: the same stage as a replay's, at rest.

Theory of operation. A unit is a point of print, and y grows downwards, so the size of a text and of the box around it
are in one measure, and a drawing is as wide as its text demands. Clients are on the left, the kernel in the middle, the
program on the right. Nothing is filled with paper: fills let the page through, so that a drawing can turn dark with it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from iolab.figures.style import BLACK, COPYING, GREY, SMALL_PT, CourseFigure

WIDTH_PT = 480
LINE_PT = 14
"""The height of a line of text."""

FAINT, TINTED, SOLID = 0.06, 0.35, 0.6
"""How much of the page a fill covers: the kernel's ground, a state, and bytes."""

POINTS_PER_IN = 72


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper in points, and what can be drawn on it; places are (x, y) from its upper left corner."""

    figure: CourseFigure
    axes: Axes

    def text(self, x: float, y: float, words: str, *, align: str = "left", **drawn: Any) -> None:
        """Write words, centred on y."""
        look: dict[str, Any] = {"fontsize": SMALL_PT, "va": "center_baseline", "linespacing": 1.3}
        self.axes.text(x, y, words, ha=align, **(look | drawn))

    def code(self, x: float, y: float, words: str, **drawn: Any) -> None:
        """Write a piece of a program."""
        self.text(x, y, words, **({"family": "monospace"} | drawn))

    def head(self, x: float, y: float, words: str, **drawn: Any) -> None:
        """Write what is below."""
        self.text(x, y, words, weight="bold", **drawn)

    def box(
        self, x: float, y: float, width: float, height: float, colour: str = BLACK, fill: float = 0, **drawn: Any
    ) -> None:
        """Draw a box; with a fill in its colour."""
        look: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=4", "linewidth": 1}
        edge, face = (colour if colour != BLACK else GREY), (colour, fill)
        self.axes.add_patch(
            FancyBboxPatch((x, y), width, height, **(look | {"edgecolor": edge, "facecolor": face} | drawn))
        )

    def ground(self, x: float, y: float, width: float, height: float, title: str) -> None:
        """Draw what belongs to the kernel, with its title."""
        self.box(x, y, width, height, BLACK, FAINT)
        self.head(x + 8, y + 11, title)

    def buffer(self, x: float, y: float, width: float, name: str, share: float, words: str, colour: str) -> None:
        """Draw a buffer of a socket, 16 high, with its name on the left and its bytes in it."""
        self.text(x, y + 8, name)
        left, room = x + 48, width - 48
        if share:
            self.bytes(left, y, room * share, 16, colour)
        self.box(left, y, room, 16, linestyle=(0, (3, 2)))
        self.text(left + 5, y + 8, words)

    def chip(self, x: float, y: float, letter: str, colour: str = BLACK, fill: float = 0) -> None:
        """Draw a socket as a token around (x, y), named by the first letter of its client."""
        edge = colour if colour != BLACK else GREY
        self.axes.add_patch(Circle((x, y), 8.5, edgecolor=edge, facecolor=(colour, fill), linewidth=1.2))
        self.text(x, y, letter, align="center")

    def client(self, x: float, y: float, name: str, colour: str = BLACK, fill: float = 0) -> None:
        """Draw a client."""
        self.axes.add_patch(Circle((x + 5, y), 5, edgecolor=GREY, facecolor=(colour, fill), linewidth=1))
        self.text(x + 15, y, name)

    def arrow(self, start: tuple[float, float], end: tuple[float, float], colour: str = BLACK, **drawn: Any) -> None:
        """Draw an arrow between two places."""
        look: dict[str, Any] = {"arrowstyle": "-|>,head_length=5,head_width=2.6", "linewidth": 1.4}
        look |= {"shrinkA": 0, "shrinkB": 0, "color": colour}
        self.axes.add_patch(FancyArrowPatch(start, end, **(look | drawn)))

    def line(self, *places: tuple[float, float], **drawn: Any) -> None:
        """Draw a line from place to place."""
        look: dict[str, Any] = {"color": BLACK, "linewidth": 1.4, "solid_joinstyle": "miter"}
        self.axes.plot(*zip(*places, strict=True), **(look | drawn))

    def dots(self, xs: Iterable[float], y: float) -> None:
        """Draw dots in a row."""
        places = list(xs)
        self.axes.plot(places, [y] * len(places), "o", color=BLACK, markersize=4)

    def bytes(self, x: float, y: float, width: float, height: float, colour: str = COPYING) -> None:
        """Draw bytes that lie somewhere."""
        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=(colour, SOLID), edgecolor="none"))

    def wire(self, x: float, y: float, width: float) -> None:
        """Draw the way from a client to its socket."""
        self.line((x, y), (x + width, y), color=GREY, linewidth=1)

    def finish(self, alt: str) -> CourseFigure:
        """Return the figure with the text for those who do not see it."""
        self.figure.alt = alt
        return self.figure


def sheet(height_pt: float) -> Sheet:
    """Return an empty sheet of this height."""
    figure = CourseFigure(figsize=(WIDTH_PT / POINTS_PER_IN, height_pt / POINTS_PER_IN), dpi=110)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH_PT)
    axes.set_ylim(height_pt, 0)
    axes.axis("off")
    return Sheet(figure, axes)
