"""What every figure shares: size, colours, units, and the text for those who do not see it.

A colour has one meaning. A figure speaks one of four languages, and what is in none of them is drawn in ink, told
apart by its shape: the phases of a thread (PHASES, which drawings of ideas and replays share), the models (each has
its colour in `iolab.MODELS`), the clocks by which one run is timed (CLOCKS), and the columns of an experiment that
are neither (COLUMNS, in their order).
"""

import base64
import functools
import html
import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, log10
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from iolab.display.progress_bar import show_in_notebook
from iolab.display.units import short_time
from iolab.errors import UsageError, guard
from iolab.measurement.run import Run
from iolab.models import MODELS
from iolab.trace.timeline import Timeline

# Okabe and Ito's palette, told apart with any colour vision; yellow is too pale for a line.
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000", "#F0E442",
)  # fmt: skip
Drawing = ParamSpec("Drawing")

INK, GREY, PALE = BLACK, "#6B6B6B", "#BDBDBD"
WAITING, WAKE_UP, COPYING, WORKING, IN_VAIN, PYTHON = SKY, YELLOW, VERMILION, GREEN, PURPLE, GREY
REPLYING, UNKNOWN, LOCKED, PREEMPTED = BLUE, ORANGE, BLACK, PALE

PHASES = {
    "asleep, or suspended, until something comes": WAITING,
    "being woken": WAKE_UP,
    "bytes of a client, and their copy": COPYING,
    "at work in a call": WORKING,
    "a call in vain": IN_VAIN,
    "Python at work": PYTHON,
    "bytes for a client": REPLYING,
    "waiting or copying: no stamp tells": UNKNOWN,
    "asleep for a lock": LOCKED,
    "preempted": PREEMPTED,
}
"""What a thread does, and what is on its way, by colour."""

CLOCKS = {"closed loop": BLUE, "from the send": GREEN, "from when due": VERMILION}
"""By which clock one stalling server is timed."""

COLUMNS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
"""The columns of an experiment, such as numbers of connections."""

WAKE_UP_LINE = "#998C00"
"""The colour of a wake-up where it is a line: yellow is too pale for one."""

PALETTE = {
    "blue": BLUE, "orange": ORANGE, "green": GREEN, "vermilion": VERMILION,
    "sky": SKY, "purple": PURPLE, "black": BLACK,
}  # fmt: skip
"""The colours by the names that models give them."""

CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
DASHES, MARKS = ("-", "--", "-.", ":"), ("", "o", "s", "^")
WIDTH_IN, HEIGHT_IN, DPI = 8.0, 3.4, 110
CAPTION_LETTERS, LINE_IN = 106, 0.17
"""How many letters fit into a line under a figure, and how high such a line is."""

SMALL_PT = 9.2
"""The smallest text: 14 px in a figure of full width, as large as that of the page around it."""

BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": SMALL_PT}
"""How a figure is written beside its mark."""

LEGEND_BELOW_IN, HANDLE_LETTERS, MOST_COLUMNS = 0.45, 7, 6
"""How far below the axes a legend is, beneath the name of the x axis; what a name takes beside its letters; and how
many stand side by side."""

SVG_BYTES = 150_000
"""Of a longer drawing a picture of dots is shorter."""

INVERT, BRIGHTEN = 0.8, 1.3
IN_THE_DARK = (
    "<style>"
    ':is([data-jp-theme-light="false"], [data-theme="dark"], .vscode-dark) .iolab-figure'
    f" {{ filter: invert({INVERT}) hue-rotate(180deg) brightness({BRIGHTEN}) }}"
    "</style>"
)
"""Figures have no paper. On a dark page light and dark change places, while every hue stays what it is."""

RC: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.11,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "legend.fontsize": SMALL_PT,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.2,
    "legend.facecolor": "none",
    "legend.edgecolor": "none",
}


class CourseFigure(Figure):
    """A figure that carries its alternative text into the notebook."""

    alt: str = ""

    def __repr__(self) -> str:
        return self.alt or str(self)

    def show(self, warn: bool = True) -> None:  # noqa: ARG002  matplotlib's own has it
        """Show the figure under the cell; where there is no notebook, say what it shows, and how to keep it."""
        if not show_in_notebook(self):
            print(f"{self!r}\nfigure.savefig('figure.png') writes the picture to a file.")

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        kind, picture = self._picture()
        encoded = base64.b64encode(picture).decode()
        alt, width = html.escape(self.alt, quote=True), round(self.get_figwidth() * DPI)
        style = f'style="width: {width}px; max-width: 100%; height: auto"'
        image = f'<img class="iolab-figure" src="data:image/{kind};base64,{encoded}" alt="{alt}" {style}>'
        return {"text/html": f"{IN_THE_DARK}{image}", "text/plain": self.alt}, {}

    def _picture(self) -> tuple[str, bytes]:
        """Return the kind of the picture and its bytes: an SVG, or where that is long, a PNG for dense screens."""
        with matplotlib.rc_context({"svg.hashsalt": "iolab"}):  # the same bytes for the same figure
            drawing = self._draw("svg", metadata={"Date": None})
        return ("svg+xml", drawing) if len(drawing) <= SVG_BYTES else ("png", self._draw("png", dpi=2 * DPI))

    def _draw(self, kind: str, **options: Any) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format=kind, transparent=True, **options)
        return picture.getvalue()


def in_style(draw: Callable[Drawing, CourseFigure]) -> Callable[Drawing, CourseFigure]:
    """Let a function draw in the course's style; nothing of it stays behind in matplotlib."""
    draw = guard(draw)

    @functools.wraps(draw)
    def styled(*records: Drawing.args, **options: Drawing.kwargs) -> CourseFigure:
        with matplotlib.rc_context(RC):
            return draw(*records, **options)

    return styled


def new(
    rows: int = 1, columns: int = 1, height_in: float = HEIGHT_IN, **ratios: Any
) -> tuple[CourseFigure, list[Axes]]:
    """Return an empty figure in the course's style, and its axes in reading order."""
    figure = CourseFigure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=ratios or None)
    return figure, list(axes.flat)


def finish(figure: CourseFigure, alt: str, caption: str, doubts: str = "") -> CourseFigure:
    """Set the alternative text, and write the caption (the placement, as a rule) under the plot.

    Both end in the doubts, if there are any.
    """
    figure.alt = " ".join(filter(None, (alt, doubts)))
    texts = [*caption.splitlines(), *doubts.splitlines()]
    lines = [line for text in texts for line in textwrap.wrap(text, CAPTION_LETTERS)]
    grow(figure, len(lines) - 1)
    figure.supxlabel("\n".join(lines), fontsize=SMALL_PT, color=GREY)
    return figure


def require_some(values: Sequence[Any], what: str) -> None:
    """Raise UsageError if a figure is given nothing to draw."""
    if not values:
        raise UsageError(f"expected {what}, one at least")


def placements(*runs: Run | Timeline) -> str:
    """Say where these runs ran, and that many threads shared a CPU: once if all is alike, or else with the models."""
    places: dict[str, list[str]] = {}
    for run in runs:
        where = run.conditions if isinstance(run, Run) else str(run.placement)
        places.setdefault(where, []).append(run.model)
    if len(places) < 2:
        return "".join(places)
    return "\n".join(f"{', '.join(dict.fromkeys(models))}: {place}" for place, models in places.items())


def beware(*runs: Run, names: Sequence[str] = ()) -> str:
    """Say in short the reasons to distrust runs, and which runs; nothing if there are none."""
    whose: dict[str, list[str]] = {}
    for run, name in zip(runs, names or [run.model for run in runs], strict=True):
        for doubt in run.doubts:
            whose.setdefault(doubt.gist, []).append(name)
    return warning((gist, ", ".join(owners) if len(runs) > 1 else "") for gist, owners in whose.items())


def warning(doubts: Iterable[tuple[str, str]]) -> str:
    """Return the warning of a figure: what is doubtful, each with where in parentheses; nothing for none."""
    sentences = [f"{gist} ({where})" if where else gist for gist, where in doubts]
    return f"Beware: {'; '.join(sentences)}." if sentences else ""


def colour_of(model: str, otherwise: str = BLACK) -> str:
    """Return the colour of a model of the course, or another one for a function of the learner's own."""
    return PALETTE[MODELS[model].colour] if model in MODELS else otherwise


def line(number: int, model: str) -> dict[str, Any]:
    """Return how the line of a run is drawn: in the colour of its model; dash and mark tell its place in the figure."""
    return {
        "color": colour_of(model, CYCLE[number % len(CYCLE)]),
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKS[number // len(DASHES) % len(MARKS)],
        "markevery": 0.1,
        "markersize": 4,
    }


def key(axes: Axes, handles: Sequence[Any] = ()) -> None:
    """Draw the legend under the axes, where it hides nothing, if there is anything in the plot to name.

    As many names stand side by side as fit; the figure grows with every further line of them.
    """
    handles = handles or axes.get_legend_handles_labels()[0]
    if not handles:
        return
    columns = side_by_side([len(str(handle.get_label())) + HANDLE_LETTERS for handle in handles])
    grow(axes.figure, ceil(len(handles) / columns) - 1)
    below = ScaledTranslation(0, -LEGEND_BELOW_IN, axes.figure.dpi_scale_trans)
    place = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axes.transAxes + below}
    axes.legend(handles=handles, loc="upper center", ncols=columns, **place)


def side_by_side(letters: Sequence[int]) -> int:
    """Return in how many columns names of these lengths fit under a figure; they fill column by column."""
    fits = (
        columns
        for columns in range(min(MOST_COLUMNS, len(letters)), 1, -1)
        if sum(int(max(column)) for column in np.array_split(letters, columns)) <= CAPTION_LETTERS
    )
    return next(fits, 1)


def grow(figure: Any, lines: int) -> None:
    """Make room for more lines of text under a figure, so that the plot keeps its size."""
    figure.set_figheight(figure.get_figheight() + LINE_IN * max(0, lines))


def time_axis(axis: Any, label: str) -> None:
    """Make an axis logarithmic, in times from microseconds to seconds."""
    log_axis(axis, label, short_time)


def log_axis(axis: Any, label: str, write: Callable[[float], str]) -> None:
    """Make an axis logarithmic, with the names that `write` gives to its marks."""
    axis.axes.set_yscale("log") if axis.axis_name == "y" else axis.axes.set_xscale("log")
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(
        FuncFormatter(lambda value, _: write(value) if has_name(value, *axis.get_view_interval()) else "")
    )
    axis.set_label_text(label)


def has_name(value: float, low: float, high: float) -> bool:
    """Say whether a mark between two powers of ten has a name: where fewer than three of these are shown.

    At 2 and 5, that is, and at every mark where less than half a decade could leave these without a pair.
    """
    digit = round(value / 10.0 ** floor(log10(value)))
    powers = floor(log10(high) + 1e-9) - ceil(log10(low) - 1e-9) + 1
    return high < 5 * low or (powers < 3 and digit in (2, 5))


def quantile_axis(axes: Axes, most: float) -> None:
    """Make the x axis one of percentiles, from the fastest on: each step from 90 to the right is ten times rarer."""
    marks = [mark for mark in (50, 90, 99, 99.9, 99.99, 99.999) if rarity(mark) <= most * 1.01]
    axes.set_xscale("log")
    axes.set_xlim(0.9, None)
    axes.set_xticks([float(rarity(mark)) for mark in marks], [f"{mark:g}" for mark in marks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("percentile")


def rarity(percent: Any) -> Any:
    """Return one in how many requests lies beyond a percentile."""
    return 1 / np.maximum(1 - np.asarray(percent) / 100, 1e-12)
