"""How a call is drawn: a bar in its phases, with its name above where there is room."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from iolab.figures.style import COPYING, GREY, ORANGE, PURPLE, WAITING, WORKING, key
from iolab.trace.calls import Call

AFTER_A_WAIT = {"waking": "wake-up", "copying": "copy", "waking and copying": "wake-up and copy"}
COLOURS = {
    "waiting": WAITING,
    **dict.fromkeys(AFTER_A_WAIT, COPYING),
    "working": WORKING,
    "in vain": PURPLE,
    "either": ORANGE,
}
MEANINGS = {
    WAITING: "waiting for data",
    WORKING: "a call that did not wait",
    PURPLE: "a call in vain: EAGAIN",
    ORANGE: "waiting or copying: no stamp tells",
}
BAR_HEIGHT, LETTER_SHARE = 0.5, 0.0088
"""How high a bar is, and how wide a letter is as a part of the axes."""

EDGE_LETTERS = 2
"""How many letters of a name may stand beyond the right end of the axes."""

BEHIND_THE_FRAME = 2.2
"""Above the lines of the plot, which end at the paper of a name, and below the frame."""

LONG_US = 1000
"""From here on a time axis is one of milliseconds."""


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
    """A name above the bars: where it begins and its bars end, how wide a letter is, and who comes first."""

    text: str
    left_us: float
    bars_end_us: float
    letter_us: float
    weight: tuple[bool, bool, float]

    @property
    def end_us(self) -> float:
        """Where its last letter ends."""
        return self.left_us + self.letter_us * len(self.text)

    @property
    def right_us(self) -> float:
        """Where the next name may begin, a letter further on."""
        return self.end_us + self.letter_us

    def hides(self, other: "Label") -> bool:
        """Say whether the two would stand on one another."""
        return self.left_us < other.right_us and other.left_us < self.right_us


def name(axes: Axes, calls: Sequence[Call], row: int, zero_ns: int, shown_ns: tuple[int, int]) -> None:
    """Write the names of calls above their bars as long as there is room.

    Those that brought bytes come first, then the longest, and those in vain last.
    """
    for label in place_labels(_labels(calls, zero_ns, shown_ns)):
        place = (label.left_us, row - BAR_HEIGHT / 2 - 0.04)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.annotate(label.text, place, fontsize=8, color=GREY, va="bottom", bbox=paper, zorder=BEHIND_THE_FRAME)


def place_labels(labels: Iterable[Label]) -> list[Label]:
    """Return the labels that have room: at the left end of their bars, or else further right above them."""
    row: list[Label] = []
    for label in sorted(labels, key=lambda label: label.weight, reverse=True):
        further = (replace(label, left_us=other.right_us) for other in row if other.hides(label))
        places = [label, *(place for place in further if place.end_us <= label.bars_end_us)]
        free = [place for place in places if not any(place.hides(other) for other in row)]
        row += free[:1]
    return row


def _labels(calls: Sequence[Call], zero_ns: int, shown_ns: tuple[int, int]) -> Iterator[Label]:
    begin_ns, end_ns = shown_ns
    letter_us = (end_ns - begin_ns) / 1e3 * LETTER_SHARE
    for _, alike in groupby(calls, key=lambda call: call.result if isinstance(call.result, str) else call.name):
        group = list(alike)
        left_ns, right_ns = max(group[0].start_ns, begin_ns), min(group[-1].end_ns, end_ns)
        weight = (not isinstance(group[0].result, str), _has_bytes(group), right_ns - left_ns)
        bars_us = ((left_ns - zero_ns) / 1e3, (right_ns - zero_ns) / 1e3)
        label = Label(_text(group), *bars_us, letter_us, weight)
        if label.end_us <= (end_ns - zero_ns) / 1e3 + EDGE_LETTERS * letter_us:
            yield label


def _has_bytes(group: Sequence[Call]) -> bool:
    return group[0].name in ("recv", "received") and any(call.result for call in group)


def _text(group: Sequence[Call]) -> str:
    names = ", ".join(dict.fromkeys(call.name for call in group))
    error = f" {group[0].result}" if isinstance(group[0].result, str) else ""
    return names + error + (f" ×{len(group)}" if len(group) > 1 else "")


def legend(axes: Axes, calls: Iterable[Call]) -> None:
    """Say under the axes what the colours of these calls mean."""
    phases = {phase for call in calls for phase, *_ in call.phases}
    colours = {COLOURS[phase] for phase in phases}
    meanings = {WAITING: MEANINGS[WAITING], COPYING: after_a_wait(phases)} | MEANINGS
    key(axes, handles=[Patch(color=colour, label=meaning) for colour, meaning in meanings.items() if colour in colours])


def after_a_wait(phases: Collection[str]) -> str:
    """Say what one colour stands for in calls of these phases: a `recv` that slept does both at once."""
    words = [word for phase, word in AFTER_A_WAIT.items() if phase in phases]
    return "wake-up, copy, or both" if len(words) > 1 and "waking and copying" in phases else " or ".join(words)


def time_axis(axes: Axes, what: str, span_us: float) -> None:
    """Name an x axis of microseconds; a long one is written in milliseconds."""
    long = span_us > LONG_US
    if long:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda us, _: f"{us / 1000:g}"))
    axes.set_xlabel(f"{'milliseconds' if long else 'microseconds'}{what}")


def caption(*sentences: str) -> str:
    """Return sentences as a caption, each once."""
    return "; ".join(dict.fromkeys(sentences))
