"""Where the time of a request goes: the client's record and the server's calls, laid side by side."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from iolab.display.units import count
from iolab.errors import UsageError, guard
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline

PARTS = ("on its way to the server", "wake-up and copy", "reply made", "send", "on its way back")
KNOWN = (PARTS[0], "wake-up", "copy", *PARTS[2:])
"""The parts where the kernel told when the thread ran."""


@dataclass(frozen=True, repr=False)
class Anatomy:
    """The parts of many requests of one timeline: one row a request, in us, one column for each of `names`."""

    timeline: Timeline
    parts_us: NDArray[np.float64]

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {median_us:.3g}" for name, median_us in self.median_us.items())
        return f"{count(len(self.parts_us), 'request')} of {self.timeline.model}, medians in µs: {parts}"

    @property
    def names(self) -> tuple[str, ...]:
        """PARTS, or KNOWN."""
        return KNOWN if self.parts_us.shape[1] == len(KNOWN) else PARTS

    @property
    def median_us(self) -> dict[str, float]:
        """The median of each part; medians need not add up to the median of the whole."""
        return dict(zip(self.names, np.median(self.parts_us, axis=0).tolist(), strict=True))


@guard
def anatomy(timeline: Timeline) -> Anatomy:
    """Take apart the requests whose arrival the kernel stamped.

    Raise UsageError if there are none: requests too long for one `recv`, or no stamps here.
    """
    if not timeline.complete:
        raise UsageError(f"only the last {len(timeline.calls):,} calls of this run are here; record fewer requests")
    rows = [row for number in range(timeline.records.workload.connections) for row in _of_connection(timeline, number)]
    if not rows:
        raise UsageError("no request of this timeline has a receive stamp and one recv; use a blocking model on Linux")
    most = max(map(len, rows))  # where switches found no room, some rows have a part less
    return Anatomy(timeline, np.array([row for row in rows if len(row) == most]) / 1e3)


def _of_connection(timeline: Timeline, number: int) -> list[list[int]]:
    records = timeline.records
    mine = records.connection == number
    requests = zip(records.sent_ns[mine].tolist(), records.answered_ns[mine].tolist(), strict=True)
    calls = [call for call in timeline if call.connection == number]
    received = [call for call in calls if call.name == "recv" and call.result not in (0, "EAGAIN")]
    replied = [call for call in calls if call.name in ("send", "sendall")]
    turns = zip(requests, received, replied, strict=False)
    return [_parts(sent_ns, answered_ns, recv, send) for (sent_ns, answered_ns), recv, send in turns if recv.arrived_ns]


def _parts(sent_ns: int, answered_ns: int, recv: Call, send: Call) -> list[int]:
    arrived_ns = min(max(recv.arrived_ns or 0, sent_ns), recv.end_ns)
    copies = [] if recv.away is None else [recv.end_ns - _copy_ns(recv, arrived_ns)]
    # The bytes may be at the client before `send` returns here: then nothing was left of the way back.
    moments = (sent_ns, arrived_ns, *copies, recv.end_ns, send.start_ns, send.end_ns, max(answered_ns, send.end_ns))
    return [after - before for before, after in pairwise(moments)]


def _copy_ns(recv: Call, arrived_ns: int) -> int:
    """How long the thread ran in a `recv` once its bytes had arrived."""
    spans = recv.spans or []
    running = (max(0, end_ns - max(start_ns, arrived_ns)) for part, start_ns, end_ns in spans if part == "running")
    return sum(running)
