"""The textbook's figure of a call, drawn from a real one: waiting for data, then wake-up and copy."""

from collections.abc import Sequence

import numpy as np

from iolab.figures import calls as bars
from iolab.figures.style import CourseFigure, drawn, finish, new, short_time
from iolab.measure.calls import Call
from iolab.measure.timeline import Timeline


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
    axes.set_xlabel("microseconds")
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
    waits = [call for call in calls if call.name == "recv" and call.waited_ns]
    if not waits:
        return f"Timeline of {timeline.model}: {len(calls)} calls, none of which is known to have waited inside recv."
    waited = short_time(float(np.median([call.waited_ns for call in waits])) / 1e3)
    rest = short_time(float(np.median([call.end_ns - call.start_ns - call.waited_ns for call in waits])) / 1e3)
    return (
        f"Timeline of {timeline.model}: {len(calls)} calls in order. {len(waits)} calls of recv wait for data, "
        f"{waited} in the median, and then take {rest} for wake-up and copy."
    )
