"""How a call is drawn: a bar in its phases, with its name above where there is room."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from iolab.figures.style import (
    COPYING,
    GREY,
    IN_VAIN,
    INK,
    LOCKED,
    PREEMPTED,
    PYTHON,
    SMALL_PT,
    UNKNOWN,
    WAITING,
    WAKE_UP,
    WORKING,
    key,
)
from iolab.kernel.tracepoints import ARRIVAL, COPY, RING, WAKING, Happening
from iolab.trace.calls import Call
from iolab.trace.gaps import Gap

CALLS = {
    "waiting": (WAITING, "waiting for data"),
    "waiting for room": (WAITING, "waiting for room"),
    "waking": (WAKE_UP, "wake-up"),
    "copying": (COPYING, "copy"),
    "waking and copying": (COPYING, "wake-up and copy"),
    "working": (WORKING, "at work in a call"),
    "in vain": (IN_VAIN, "a call in vain: EAGAIN"),
    "either": (UNKNOWN, "waiting or copying: no stamp tells"),
    "lock": (LOCKED, "asleep for a lock"),
    "preempted": (PREEMPTED, "preempted"),
}
"""The colour of each phase, and what it is called."""

BETWEEN = {"running": (PYTHON, "Python at work"), "lock": CALLS["lock"], "preempted": CALLS["preempted"]}
"""The same for the parts of a gap between two calls."""

STEPS = {
    ARRIVAL: ("v", "arrival"),
    WAKING: ("^", "wake-up"),
    COPY: ("s", "copy"),
    **dict.fromkeys(RING, ("D", "work of the ring")),
}
"""The mark of each step of the kernel, and what it is called."""

BAR_HEIGHT, GAP_HEIGHT, LETTER_SHARE = 0.5, 0.14, 0.0101
"""How high a bar is, of a call and between calls, and how wide a letter is as a part of the axes."""

EDGE_LETTERS = 2
"""How many letters of a name may stand beyond the right end of the axes."""

LONG_US = 1000
"""From here on a time axis is one of milliseconds."""


def draw(axes: Axes, calls: Iterable[Call], row: int, zero_ns: int, shown_ns: tuple[int, int]) -> None:
    """Draw calls as bars in one row, cut to what is shown; times are microseconds since zero."""
    for call in calls:
        for phase, *span_ns in call.phases:
            _bar(axes, span_ns, row, zero_ns, shown_ns, BAR_HEIGHT, CALLS[phase][0])


def draw_gaps(axes: Axes, gaps: Iterable[Gap], row: int, zero_ns: int, shown_ns: tuple[int, int]) -> None:
    """Draw what lies between the calls of a thread as a thin line, in one row."""
    for gap in gaps:
        for part, *span_ns in gap.spans:
            _bar(axes, span_ns, row, zero_ns, shown_ns, GAP_HEIGHT, BETWEEN[part][0])


def _bar(
    axes: Axes, span_ns: Sequence[int], row: int, zero_ns: int, shown_ns: tuple[int, int], height: float, colour: str
) -> None:
    left_ns, right_ns = max(span_ns[0], shown_ns[0]), min(span_ns[1], shown_ns[1])
    if left_ns < right_ns:
        axes.barh(row, (right_ns - left_ns) / 1e3, left=(left_ns - zero_ns) / 1e3, height=height, color=colour)


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
        axes.annotate(label.text, place, fontsize=SMALL_PT, color=GREY, va="bottom")


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


def mark(axes: Axes, steps: Iterable[Happening], row: int, zero_ns: int, threads: Collection[int]) -> None:
    """Mark the steps of the kernel in one row: filled those in the context of these threads, hollow all others."""
    for step in steps:
        axes.plot([(step.at_ns - zero_ns) / 1e3], [row], **_marker(step, threads))


def key_to(steps: Iterable[Happening], threads: Collection[int]) -> list[Line2D]:
    """Return what the marks mean, each once."""
    markers = {describe(step, threads): _marker(step, threads) for step in steps}
    return [Line2D([], [], label=what, **markers[what]) for what in sorted(markers)]


def _marker(step: Happening, threads: Collection[int]) -> dict[str, Any]:
    marker, _ = STEPS[step.name]
    fill = INK if step.thread in threads else "none"
    return {"marker": marker, "markersize": 6, "linestyle": "", "color": INK, "markerfacecolor": fill}


def describe(step: Happening, threads: Collection[int]) -> str:
    """Return what a step is, and in whose thread it was taken."""
    return f"{STEPS[step.name][1]}, by the {'server' if step.thread in threads else 'client'}'s thread"


def legend(axes: Axes, calls: Iterable[Call], gaps: Iterable[Gap] = (), marks: Iterable[Line2D] = ()) -> None:
    """Say under the axes what the colours of these calls and gaps mean, and then the marks."""
    phases = {phase for call in calls for phase, *_ in call.phases}
    parts = {span.part for gap in gaps for span in gap.spans}
    shown = [CALLS[phase] for phase in CALLS if phase in phases] + [BETWEEN[part] for part in BETWEEN if part in parts]
    meanings: dict[str, dict[str, None]] = {}
    for colour, meaning in shown:
        meanings.setdefault(colour, {})[meaning] = None
    patches = [Patch(color=colour, label=" or ".join(words)) for colour, words in meanings.items()]
    key(axes, handles=[*patches, *marks])


def time_axis(axes: Axes, what: str, span_us: float) -> None:
    """Name an x axis of microseconds; a long one is written in milliseconds."""
    long = span_us > LONG_US
    if long:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda us, _: f"{us / 1000:g}"))
    axes.set_xlabel(f"{'milliseconds' if long else 'microseconds'}{what}")


def caption(*sentences: str) -> str:
    """Return sentences as a caption, each once."""
    return "; ".join(dict.fromkeys(sentences))
