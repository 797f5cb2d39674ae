"""The textbook's figure of a call, drawn from a real one: waiting for data, then wake-up and copy."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from iolab.figures import calls as bars
from iolab.figures.style import CourseFigure, drawn, finish, new, short_time
from iolab.trace.calls import Call
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline


@drawn
def phases(timeline: Timeline, skip: int = 4, calls: int = 12) -> CourseFigure:
    """Draw some calls of a timeline, one row a connection, each call in its phases.

    The stretch of so many `calls` is drawn that took the median time of all such stretches:
    a typical one. `skip` leaves out the first calls, in which the connections came.
    """
    shown = typical(timeline.calls[skip:], calls)
    rows = _rows(shown)
    figure, (axes,) = new(height_in=1.6 + 0.55 * len(rows))
    begin_ns = min((call.start_ns for call in shown), default=0)
    span_ns = (begin_ns, max((call.end_ns for call in shown), default=begin_ns + 1))
    for name, row in rows.items():
        own = [call for call in shown if _row_of(call) == name]
        bars.draw(axes, own, row, begin_ns, span_ns)
        bars.name(axes, own, row, begin_ns, span_ns)
    axes.set_yticks(list(rows.values()), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    bars.time_axis(axes, "", (span_ns[1] - begin_ns) / 1e3)
    axes.set_title(f"{timeline.model}: what the server's thread did")
    bars.legend(axes, shown)
    return finish(figure, _alt(timeline, shown), bars.caption(timeline.conditions))


def typical(calls: Sequence[Call], length: int) -> Sequence[Call]:
    """Return the stretch of so many calls that took the median time, of those in which bytes came, if any did."""
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
    told = [*_waits(calls), *_copies(calls), *_in_vain(calls)]
    return f"Timeline of {timeline.model}: {len(calls)} calls in order. " + " ".join(
        told or ["None of them is known to have waited."]
    )


def _waits(calls: Sequence[Call]) -> Iterator[str]:
    """Say of every call that waited how long it did, and how long it took then, where a stamp tells."""
    for name in dict.fromkeys(call.name for call in calls):
        own = [call for call in calls if call.name == name and call.phases[0][0] == "waiting"]
        slept, untold = [call for call in own if call.waited_ns], [call for call in own if not call.waited_ns]
        if slept:
            waited = _median(call.waited_ns for call in slept)
            rest = _median(call.end_ns - call.start_ns - call.waited_ns for call in slept)
            after = "wake-up and copy" if name == "recv" else "the wake-up"
            yield f"{name} waits for data {_times(slept)}, {waited} in the median, and then takes {rest} for {after}."
        if untold:
            took = _median(call.end_ns - call.start_ns for call in untold)
            yield f"{name} waits {_times(untold)}, {took} in the median; no stamp tells when its bytes came."


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
