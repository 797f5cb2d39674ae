"""The textbook's figure of a call, drawn from a real one, and the parts of one request."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from iolab.figures import calls as bars
from iolab.figures.style import BLUE, COPYING, GREEN, ORANGE, SKY, CourseFigure, finish, in_style, new, short_time
from iolab.trace.anatomy import Anatomy
from iolab.trace.calls import Call
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

PART_COLOURS = (SKY, COPYING, GREEN, ORANGE, BLUE)


@in_style
def phases(timeline: Timeline, skip: int = 4, calls: int = 12) -> CourseFigure:
    """Draw some calls of a timeline, one row a connection, each call in its phases.

    A typical stretch of `calls` calls is drawn: the one that took the median time of all such stretches.
    `skip` leaves out the first calls, which accept the connections.
    """
    stretch = typical(timeline.calls[skip:], calls)
    rows = _rows(stretch)
    figure, (axes,) = new(height_in=1.6 + 0.55 * len(rows))
    begin_ns = min((call.start_ns for call in stretch), default=0)
    span_ns = (begin_ns, max((call.end_ns for call in stretch), default=begin_ns + 1))
    for name, row in rows.items():
        own = [call for call in stretch if _row_of(call) == name]
        bars.draw(axes, own, row, begin_ns, span_ns)
        bars.name(axes, own, row, begin_ns, span_ns)
    axes.set_yticks(list(rows.values()), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    bars.time_axis(axes, "", (span_ns[1] - begin_ns) / 1e3)
    axes.set_title(f"{timeline.model}: what the server's thread did")
    bars.legend(axes, stretch)
    return finish(figure, _alt(timeline, stretch), bars.caption(timeline.conditions))


def typical(calls: Sequence[Call], length: int) -> Sequence[Call]:
    """Return the stretch of this length that took the median time, of those that received bytes, if any did."""
    stretches = [calls[first : first + length] for first in range(max(1, len(calls) - length + 1))]
    busy = [stretch for stretch in stretches if any(_received(call) for call in stretch)] or stretches
    ranked = sorted(busy, key=lambda stretch: stretch[-1].end_ns - stretch[0].start_ns if stretch else 0)
    return ranked[len(ranked) // 2]


def _received(call: Call) -> bool:
    return call.name == "recv" and isinstance(call.result, int) and call.result > 0


def _row_of(call: Call) -> str:
    return "all connections" if call.connection is None else f"connection {call.connection}"


def _rows(calls: Sequence[Call]) -> dict[str, int]:
    numbers = sorted({-1 if call.connection is None else call.connection for call in calls})
    return {"all connections" if number < 0 else f"connection {number}": row for row, number in enumerate(numbers)}


def _alt(timeline: Timeline, calls: Sequence[Call]) -> str:
    sentences = [*_waits(calls), *_copies(calls), *_in_vain(calls)]
    return f"Timeline of {timeline.model}: {len(calls)} calls in order. " + " ".join(
        sentences or ["None of them is known to have waited."]
    )


def _waits(calls: Sequence[Call]) -> Iterator[str]:
    """Say of every call that waited how long it did, and how long it took then, where a stamp tells."""
    for name in dict.fromkeys(call.name for call in calls):
        own = [call for call in calls if call.name == name and call.phases[0][0] == "waiting"]
        asleep, unknown = [call for call in own if call.waited_ns], [call for call in own if not call.waited_ns]
        if asleep:
            waited = _median(call.waited_ns for call in asleep)
            rest = _median(call.end_ns - call.start_ns - call.waited_ns for call in asleep)
            after = "wake-up and copy" if name == "recv" else "the wake-up"
            yield f"{name} waits for data {_times(asleep)}, {waited} in the median, and then takes {rest} for {after}."
        if unknown:
            took = _median(call.end_ns - call.start_ns for call in unknown)
            yield f"{name} waits {_times(unknown)}, {took} in the median; no stamp tells when its bytes came."


def _copies(calls: Sequence[Call]) -> Iterator[str]:
    copies = [call for call in calls if call.phases[0][0] == "copying"]
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
    for row, (length, colour) in enumerate(zip(parts.median_us.values(), PART_COLOURS, strict=True)):
        axes.barh(row, length, left=begin, color=colour, height=0.6)
        axes.annotate(short_time(length), (begin + length, row), xytext=(4, 0), textcoords="offset points", va="center")
        begin += length
    axes.set_yticks(range(len(PART_COLOURS)), list(parts.median_us))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, begin * 1.12)
    axes.set_xlabel("microseconds since the client sent the request")
    axes.set_title(f"{parts.timeline.model}: where the time of a request goes")
    alt = "The parts of a request, medians: " + ", ".join(
        f"{name} {short_time(length)}" for name, length in parts.median_us.items()
    )
    return finish(figure, alt + ".", f"medians of {len(parts.parts_us):,} requests; {parts.timeline.placement}")
