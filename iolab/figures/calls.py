"""How a call is drawn: a bar in its phases, with its name above where there is room."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from iolab.figures.style import CAPTION_LETTERS, COPYING, GREY, ORANGE, PURPLE, WAITING, WORKING
from iolab.measure.calls import Call

COLOURS = {"waiting": WAITING, "copying": COPYING, "working": WORKING, "in vain": PURPLE, "either": ORANGE}
MEANINGS = {
    "waiting": "waiting for data",
    "copying": "wake-up and copy",
    "working": "a call that did not wait",
    "in vain": "a call in vain: EAGAIN",
    "either": "waiting or copying: no stamp tells",
}
BAR_HEIGHT, LETTER_SHARE = 0.5, 0.0088
"""How high a bar is, and how wide a letter is as a part of the axes."""

LEGEND_BELOW_IN = 0.45
"""How far below the axes the legend is: beneath the name of the x axis."""


def draw(axes: Axes, calls: Iterable[Call], row: int, zero_ns: int, shown_ns: tuple[int, int]) -> None:
    """Draw calls as bars in one row, cut to what is shown; times are microseconds since zero."""
    begin_ns, end_ns = shown_ns
    for call in calls:
        for phase, from_ns, to_ns in call.phases:
            left_ns, right_ns = max(from_ns, begin_ns), min(to_ns, end_ns)
            if left_ns < right_ns:
                place = (left_ns - zero_ns) / 1e3
                axes.barh(row, (right_ns - left_ns) / 1e3, left=place, height=BAR_HEIGHT, color=COLOURS[phase])


@dataclass(frozen=True)
class Label:
    """A name above the bars, and how much of the axes it takes; `weight` says who comes first."""

    text: str
    left_us: float
    right_us: float
    weight: tuple[bool, int]


def name(axes: Axes, calls: Sequence[Call], row: int, zero_ns: int, shown_ns: tuple[int, int]) -> None:
    """Write the names of calls above their bars as long as there is room: the longest first, those in vain last."""
    placed: list[Label] = []
    for label in sorted(_labels(calls, zero_ns, shown_ns), key=lambda label: label.weight, reverse=True):
        if all(label.right_us < other.left_us or other.right_us < label.left_us for other in placed):
            placed.append(label)
            axes.annotate(label.text, (label.left_us, row - BAR_HEIGHT / 2 - 0.04), fontsize=8, color=GREY, va="bottom")


def _labels(calls: Sequence[Call], zero_ns: int, shown_ns: tuple[int, int]) -> Iterator[Label]:
    begin_ns, end_ns = shown_ns
    letter_us = (end_ns - begin_ns) / 1e3 * LETTER_SHARE
    for _, alike in groupby(calls, key=lambda call: call.result if isinstance(call.result, str) else call.name):
        group = list(alike)
        left_ns, right_ns = max(group[0].start_ns, begin_ns), min(group[-1].end_ns, end_ns)
        text, left_us = _text(group), (left_ns - zero_ns) / 1e3
        right_us = left_us + letter_us * len(text)
        if right_us <= (end_ns - zero_ns) / 1e3 + 2 * letter_us:
            in_vain = isinstance(group[0].result, str)
            yield Label(text, left_us, right_us, (not in_vain, right_ns - left_ns))


def _text(group: Sequence[Call]) -> str:
    names = ", ".join(dict.fromkeys(call.name for call in group))
    error = f" {group[0].result}" if isinstance(group[0].result, str) else ""
    return names + error + (f" ×{len(group)}" if len(group) > 1 else "")


def legend(axes: Axes, calls: Iterable[Call]) -> None:
    """Say under the axes what the colours of these calls mean."""
    seen = {phase for call in calls for phase, *_ in call.phases}
    patches = [Patch(color=COLOURS[phase], label=meaning) for phase, meaning in MEANINGS.items() if phase in seen]
    below = ScaledTranslation(0, -LEGEND_BELOW_IN, axes.figure.dpi_scale_trans)
    place = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axes.transAxes + below}
    axes.legend(handles=patches, loc="upper center", ncols=4, **place)


def caption(*sentences: str) -> str:
    """Return sentences as the lines of a caption."""
    return textwrap.fill("; ".join(dict.fromkeys(sentences)), CAPTION_LETTERS)
