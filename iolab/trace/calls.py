"""The calls of a server, each with its phases, made from the rows of a recorder."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from iolab.kernel import timestamps
from iolab.trace.recorder import EAGAIN, Row
from iolab.traffic.workload import Workload

Phase = Literal["waiting", "waking", "waking and copying", "copying", "working", "in vain", "either"]

WAITS = (
    "select", "poll", "epoll_wait", "kevent", "sigwait", "sigwaitinfo", "sigtimedwait", "aio_suspend", "io_uring_enter",
)  # fmt: skip
"""Calls that wait for many connections at once."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the server: when, on which connection, and with what result.

    `connection` is its number in the records, idle ones after the active; None for a call
    that waits for many. `result` is a number of bytes or of ready descriptors, a signal, a
    descriptor, or the name of an error. `arrived_ns` is when the bytes came in, by the kernel's
    stamp, or by when; for a call that waits, of the first bytes that it reported.
    """

    name: str
    connection: int | None
    start_ns: int
    end_ns: int
    result: int | str
    thread: int
    arrived_ns: int | None = None

    @property
    def waited_ns(self) -> int:
        """From entry until the data was there; 0 if it was there before, or there is no stamp."""
        return 0 if self.arrived_ns is None else max(0, min(self.arrived_ns, self.end_ns) - self.start_ns)

    @property
    def phases(self) -> list[tuple[Phase, int, int]]:
        """The parts of the call with their begin and end: waiting for data, then what came after the wait.

        After it a call for many only wakes up, and a `recv` copies as well; one that found its bytes there
        copies alone. A call that had neither to wait nor to receive is `working`, or `in vain` if it came back
        with EAGAIN. Without a stamp the two phases of a `recv` cannot be told apart: it is `either`.
        """
        if self.arrived_ns is None or not self._receives:
            return [(self._whole, self.start_ns, self.end_ns)]
        arrived_ns = self.start_ns + self.waited_ns
        waiting: tuple[Phase, int, int] = ("waiting", self.start_ns, arrived_ns)
        return ([waiting] if self.waited_ns else []) + [(self._after_the_wait, arrived_ns, self.end_ns)]

    @property
    def _after_the_wait(self) -> Phase:
        if self.name == "recv":
            return "waking and copying" if self.waited_ns else "copying"
        return "waking" if self.waited_ns else "working"

    @property
    def _receives(self) -> bool:
        """Whether it brought something in: readiness, a connection, or bytes."""
        return isinstance(self.result, int) and self.name in ("accept", "recv", *WAITS)

    @property
    def _whole(self) -> Phase:
        if self.result == EAGAIN:
            return "in vain"
        if self.name not in ("accept", "recv", *WAITS) or (self.name == "recv" and isinstance(self.result, str)):
            return "working"
        if (
            self.name == "sigtimedwait"
        ):  # a signal was queued already: one that slept has its arrival from `attribute_arrivals`
            return "working"
        return "either" if self.name == "recv" and self.result else "waiting"


def calls_of(rows: Iterable[Row], offset_ns: int) -> list[Call]:
    """Return the calls in the order in which they began; the offset turns a stamp into a time of the records."""
    ordered = sorted(rows, key=lambda row: row[2])
    return attribute_arrivals([Call(*row[:6], arrival_ns(row[6], offset_ns)) for row in ordered])


def arrival_ns(stamp: bytes | int | None, offset_ns: int) -> int | None:
    """Return a stamp as a time on the clock of the records; an integer is one already."""
    if not isinstance(stamp, bytes):
        return stamp
    real_ns = timestamps.arrival_ns(stamp)
    return None if real_ns is None else real_ns + offset_ns


def attribute_arrivals(calls: Sequence[Call]) -> list[Call]:
    """Give every call that waits for many the arrival of the first bytes that it reported."""
    arrivals: dict[int, int] = {}
    for call, waits in _turns(calls):
        if call.name == "recv" and call.arrived_ns is not None:
            for wait in waits:
                if call.arrived_ns <= calls[wait].end_ns:
                    arrivals[wait] = min(call.arrived_ns, arrivals.get(wait, call.arrived_ns))
                    break
    return [replace(call, arrived_ns=arrivals.get(index, call.arrived_ns)) for index, call in enumerate(calls)]


def _turns(calls: Sequence[Call]) -> Iterator[tuple[Call, list[int]]]:
    """Yield every call with the waits that its thread's turn began with, by their index: those with a result."""
    turns: dict[int, list[int]] = {}
    asking: set[int] = set()
    for index, call in enumerate(calls):
        if call.name not in WAITS:
            asking.discard(call.thread)
        elif call.thread not in asking:
            asking.add(call.thread)
            turns[call.thread] = []
        waits = turns.get(call.thread, [])
        # The second signal of a turn was queued before: nobody sleeps for it.
        if call.name in WAITS and _has_result(call) and not (waits and call.name == "sigtimedwait"):
            waits.append(index)
        yield call, waits


def _has_result(call: Call) -> bool:
    return isinstance(call.result, int) and call.result > 0


def renumber(calls: Sequence[Call], workload: Workload) -> list[Call]:
    """Give every connection its number in the records; they were accepted in order, the idle ones first."""
    idle, everyone = workload.idle, workload.idle + workload.connections
    return [
        call if call.connection is None else replace(call, connection=(call.connection - idle) % everyone)
        for call in calls
    ]
