"""The textbook's figure of a call, drawn from a real one, and the parts of one request."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from iolab.display.units import count, short_time
from iolab.figures import calls as bars
from iolab.figures.style import (
    COPYING,
    PYTHON,
    REPLYING,
    WAITING,
    WAKE_UP,
    WORKING,
    CourseFigure,
    finish,
    in_style,
    new,
)
from iolab.kernel.tracepoints import Happening
from iolab.trace.anatomy import Anatomy
from iolab.trace.calls import Call
from iolab.trace.gaps import Gap
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

PART_COLOURS = {
    "on its way to the server": WAITING,
    "wake-up": WAKE_UP,
    "wake-up and copy": COPYING,
    "copy": COPYING,
    "reply made": PYTHON,
    "send": WORKING,
    "on its way back": REPLYING,
}
BETWEEN = "between calls"
"""The row below those of the calls."""


@in_style
def phases(timeline: Timeline, skip: int = 4, calls: int = 12) -> CourseFigure:
    """Draw some calls of a timeline, one row a connection, each call in its phases.

    A typical stretch of `calls` calls is drawn: the one that took the median time of all such stretches.
    `skip` leaves out the first calls, which accept the connections. Beneath the calls is what their thread did
    between them, and what the kernel did, where the timeline has it.
    """
    stretch = typical(timeline.calls[skip:], calls)
    begin_ns = min((call.start_ns for call in stretch), default=0)
    span_ns = (begin_ns, max((call.end_ns for call in stretch), default=begin_ns + 1))
    gaps = [gap for gap in timeline.gaps if _lies_in(gap, stretch, span_ns)]
    steps = [step for step in timeline.steps if span_ns[0] <= step.at_ns <= span_ns[1]]
    rows = _rows(stretch, gaps, steps)
    figure, (axes,) = new(height_in=1.6 + 0.55 * len(rows))
    for row, name in enumerate(rows):
        own = [call for call in stretch if _row_of(call) == name]
        bars.draw(axes, own, row, begin_ns, span_ns)
        bars.name(axes, own, row, begin_ns, span_ns)
        bars.draw_gaps(axes, [gap for gap in gaps if name == BETWEEN], row, begin_ns, span_ns)
        bars.mark(axes, [step for step in steps if name == _cpu_of(step)], row, begin_ns, timeline.threads)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    bars.time_axis(axes, "", (span_ns[1] - begin_ns) / 1e3)
    axes.set_title("what the server's thread did")
    bars.legend(axes, stretch, gaps, bars.key_to(steps, timeline.threads))
    return finish(figure, _alt(timeline, stretch, steps), bars.caption(f"{timeline.model}, {timeline.conditions}"))


def typical(calls: Sequence[Call], length: int) -> Sequence[Call]:
    """Return the stretch of this length that took the median time, of those that received bytes, if any did."""
    stretches = [calls[first : first + length] for first in range(max(1, len(calls) - length + 1))]
    busy = [stretch for stretch in stretches if any(_received(call) for call in stretch)] or stretches
    ranked = sorted(busy, key=lambda stretch: stretch[-1].end_ns - stretch[0].start_ns if stretch else 0)
    return ranked[len(ranked) // 2]


def _received(call: Call) -> bool:
    return call.name == "recv" and isinstance(call.result, int) and call.result > 0


def _lies_in(gap: Gap, calls: Sequence[Call], span_ns: tuple[int, int]) -> bool:
    """Whether a gap lies between these calls, all of one thread: those of several would hide one another."""
    return {call.thread for call in calls} == {gap.thread} and gap.start_ns < span_ns[1] and gap.end_ns > span_ns[0]


def _row_of(call: Call) -> str:
    return "all connections" if call.connection is None else f"connection {call.connection}"


def _rows(calls: Sequence[Call], gaps: Sequence[Gap], steps: Sequence[Happening]) -> list[str]:
    numbers = sorted(calls, key=lambda call: -1 if call.connection is None else call.connection)
    return [*dict.fromkeys(map(_row_of, numbers)), *[BETWEEN][: len(gaps)], *sorted(set(map(_cpu_of, steps)))]


def _cpu_of(step: Happening) -> str:
    return f"kernel, CPU {step.cpu}"


def _alt(timeline: Timeline, calls: Sequence[Call], steps: Sequence[Happening]) -> str:
    sentences = [*_waits(calls), *_copies(calls), *_in_vain(calls)] or ["None of them is known to have waited."]
    return " ".join(
        [
            f"Timeline of {timeline.model}: {count(len(calls), 'call')} in order.",
            *sentences,
            *_kernel(steps, timeline.threads),
        ]
    )


def _kernel(steps: Sequence[Happening], threads: Collection[int]) -> Iterator[str]:
    """Say how often the kernel took each step, and in whose thread."""
    counts = Counter(bars.describe(step, threads) for step in steps)
    if counts:
        yield f"The kernel's steps: {'; '.join(f'{step} {count}' for step, count in sorted(counts.items()))}."


def _waits(calls: Sequence[Call]) -> Iterator[str]:
    """Say of every call that waited how long it did, and how long it took then, where a stamp tells."""
    for name in dict.fromkeys(call.name for call in calls):
        own = [call for call in calls if call.name == name and _phases(call) & {"waiting"}]
        asleep, unknown = [call for call in own if call.waited_ns], [call for call in own if not call.waited_ns]
        if asleep:
            waited = _median(call.waited_ns for call in asleep)
            yield f"{name} waits for data {_times(asleep)}, {waited} in the median, and then takes {_after(asleep)}."
        if unknown:
            took = _median(call.end_ns - call.start_ns for call in unknown)
            yield f"{name} waits {_times(unknown)}, {took} in the median; no stamp tells when its bytes came."


def _after(calls: Sequence[Call]) -> str:
    """Say what these calls took after their waits, in one figure, or in two where the kernel told them apart."""
    if all(call.away is not None for call in calls):
        parts = {"the wake-up": "waking", "the copy": "copying"}
        times = {what: [_length_ns(call, phase) for call in calls] for what, phase in parts.items()}
        return " and ".join(f"{_median(own)} for {what}" for what, own in times.items() if any(own))
    rest = _median(call.end_ns - call.start_ns - call.waited_ns for call in calls)
    return f"{rest} for {'wake-up and copy' if calls[0].name == 'recv' else 'the wake-up'}"


def _length_ns(call: Call, wanted: str) -> int:
    return sum(end_ns - start_ns for phase, start_ns, end_ns in call.phases if phase == wanted)


def _phases(call: Call) -> set[str]:
    return {phase for phase, *_ in call.phases}


def _copies(calls: Sequence[Call]) -> Iterator[str]:
    copies = [call for call in calls if _phases(call) & {"copying"} and not _phases(call) & {"waiting"}]
    if copies:
        took = _median(call.end_ns - call.start_ns for call in copies)
        yield f"recv finds its bytes there {_times(copies)}, and copies them in {took} in the median."


def _in_vain(calls: Sequence[Call]) -> Iterator[str]:
    in_vain = [call for call in calls if call.result == EAGAIN]
    if in_vain:
        yield f"{', '.join(dict.fromkeys(call.name for call in in_vain))}: EAGAIN {_times(in_vain)}."


def _times(calls: Sequence[Call]) -> str:
    return {1: "once", 2: "twice"}.get(len(calls), f"{len(calls)} times")


def _median(times_ns: Iterable[int]) -> str:
    return short_time(float(np.median(list(times_ns))) / 1e3)


@in_style
def anatomy(parts: Anatomy) -> CourseFigure:
    """Draw the median of every part of a request, one after the other in the order in which they happen."""
    figure, (axes,) = new(height_in=2.6)
    begin = 0.0
    for row, (name, length) in enumerate(parts.median_us.items()):
        axes.barh(row, length, left=begin, color=PART_COLOURS[name], height=0.6)
        axes.annotate(short_time(length), (begin + length, row), xytext=(4, 0), textcoords="offset points", va="center")
        begin += length
    axes.set_yticks(range(len(parts.median_us)), list(parts.median_us))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, begin * 1.12)
    axes.set_xlabel("microseconds since the client sent the request")
    axes.set_title("where the time of a request goes")
    alt = "The parts of a request, medians: " + ", ".join(
        f"{name} {short_time(length)}" for name, length in parts.median_us.items()
    )
    where = f"{parts.timeline.model}, medians of {count(len(parts.parts_us), 'request')}; {parts.timeline.placement}"
    return finish(figure, alt + ".", where)
