"""The calls of a server, each with its phases, made from the rows of a recorder."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from iolab.kernel import timestamps
from iolab.trace.absences import Absence, Absences
from iolab.trace.occupancy import Occupancy, Span, cut, microseconds
from iolab.trace.recorder import EAGAIN, Row
from iolab.traffic.workload import Workload

Phase = Literal[
    "waiting", "waiting for room", "waking", "waking and copying", "copying", "working", "in vain", "either",
    "lock", "preempted",
]  # fmt: skip

WAITS = (
    "select", "poll", "epoll_wait", "kevent", "sigwait", "sigwaitinfo", "sigtimedwait", "aio_suspend", "io_uring_enter",
)  # fmt: skip
"""Calls that wait for many connections at once."""

SENDS = ("send", "sendall")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the server: when, on which connection, and with what result.

    `connection` is its number in the records, idle ones after the active; None for a call
    that waits for many. `result` is a number of bytes or of ready descriptors, a signal, a
    descriptor, or the name of an error. `arrived_ns` is when the bytes came in, by the kernel's
    stamp, or by when; for a call that waits, of the first bytes that it reported. `away` has the spans in
    which its thread was on no CPU; None where the kernel did not tell.
    """

    name: str
    connection: int | None
    start_ns: int
    end_ns: int
    result: int | str
    thread: int
    arrived_ns: int | None = None
    away: tuple[Absence, ...] | None = None

    @property
    def spans(self) -> list[Span] | None:
        """What the thread did in the call, span by span; None where the kernel did not tell."""
        if self.away is None:
            return None
        arrived_ns = self.arrived_ns if self._can_wait else self.start_ns
        return list(cut(self.start_ns, self.end_ns, arrived_ns, self.away))

    @property
    def occupancy(self) -> Occupancy | None:
        """How long the thread was asleep, waking, running, preempted, or in want of a lock."""
        return None if self.spans is None else Occupancy.of(self.spans)

    @property
    def waited_ns(self) -> int:
        """From entry until the data was there; 0 if it was there before, or there is no stamp."""
        return 0 if self.arrived_ns is None else max(0, min(self.arrived_ns, self.end_ns) - self.start_ns)

    @property
    def phases(self) -> list[tuple[Phase, int, int]]:
        """The parts of the call with their begin and end.

        Where the kernel told when the thread ran: waiting, waking, then the copy of a `recv`, or `working`; a
        call that came back with EAGAIN ran `in vain`. Where it did not, one that slept is waiting until its
        arrival, and what follows is `waking`, for a `recv` `waking and copying`. Without a stamp either a
        `recv` cannot be told apart: it is `either`.
        """
        if spans := self.spans:
            slept = [place for place, span in enumerate(spans) if span.part == "asleep"]
            copies_from = slept[-1] if slept else -1
            return [(self._phase(span, place > copies_from), *span[1:]) for place, span in enumerate(spans)]
        if self.arrived_ns is None or not self._receives:
            return [(self._whole, self.start_ns, self.end_ns)]
        arrived_ns = self.start_ns + self.waited_ns
        waiting: tuple[Phase, int, int] = ("waiting", self.start_ns, arrived_ns)
        return ([waiting] if self.waited_ns else []) + [(self._after_the_wait, arrived_ns, self.end_ns)]

    def as_dict(self, zero_ns: int) -> dict[str, Any]:
        """Return the call as the JSON output has it."""
        return {
            "call": self.name,
            "connection": self.connection,
            "start_us": (self.start_ns - zero_ns) / 1e3,
            "end_us": (self.end_ns - zero_ns) / 1e3,
            "result": self.result,
            "thread": self.thread,
            "arrived_us": None if self.arrived_ns is None else (self.arrived_ns - zero_ns) / 1e3,
            **microseconds(self.occupancy),
        }

    def _phase(self, span: Span, after_the_wait: bool) -> Phase:
        if span.part == "asleep":
            return "waiting for room" if self.name in SENDS else "waiting"
        if span.part != "running":
            return span.part
        if self.result == EAGAIN:
            return "in vain"
        copies = self.name == "recv" and after_the_wait and isinstance(self.result, int) and self.result > 0
        return "copying" if copies else "working"

    @property
    def _after_the_wait(self) -> Phase:
        if self.name == "recv":
            return "waking and copying" if self.waited_ns else "copying"
        return "waking" if self.waited_ns else "working"

    @property
    def _can_wait(self) -> bool:
        """Whether its thread may sleep for the other side; one that does in any other call wants a lock."""
        return self.result != EAGAIN and self.name in ("accept", "recv", *SENDS, *WAITS)

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
        if self.name == "sigtimedwait":  # its signal was queued; one that slept has an arrival
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


def watch(calls: Iterable[Call], absences: Absences) -> list[Call]:
    """Give every call the spans in which its thread was away from every CPU."""
    return [replace(call, away=absences.within(call.thread, call.start_ns, call.end_ns)) for call in calls]


def attribute_wakings(calls: Iterable[Call], wakings: Iterable[tuple[int, int]]) -> list[Call]:
    """Give a call without an arrival the first time within it that its thread was woken.

    `wakings` are pairs of thread and time, in order of time, for those who may see the kernel's steps. Later
    ones may be the interpreter's lock.
    """
    times: dict[int, list[int]] = {}
    for thread, at_ns in wakings:
        times.setdefault(thread, []).append(at_ns)
    return [
        call if call.arrived_ns is not None else replace(call, arrived_ns=_first(times.get(call.thread, ()), call))
        for call in calls
    ]


def _first(times_ns: Sequence[int], call: Call) -> int | None:
    place = bisect_left(times_ns, call.start_ns)
    return times_ns[place] if place < len(times_ns) and times_ns[place] <= call.end_ns else None
