"""What a model waits in, as boxes of the kernel: what is of interest, what is ready, what is queued.

Theory of operation. A token stands for a connection, or for the listening socket, and is in its box from one time to
another. The kernel tells nobody what is in its lists, so all of it is inferred: interest from when a connection was
accepted and closed, readiness from the bytes in the buffers, a queue from what was put in and taken out. What the
recorded calls took out was in, so a box never lacks what a call returned.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from iolab.playback.portions import Portion, fill
from iolab.trace.calls import WAITS, Call
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

LISTENING, NOBODY = -1, -2
"""In place of a connection: the listening socket, and an order or a signal of which the connection is not known."""

NO_CONNECTION = 1 << 62
"""Above all connections."""

SIGNAL_WAITS = ("sigwait", "sigwaitinfo", "sigtimedwait")
RING_CALLS = ("io_uring_submit", "io_uring_enter")


class Token(NamedTuple):
    """A connection is in a box from one time to another."""

    connection: int
    since_ns: int
    until_ns: int


@dataclass(frozen=True)
class Box:
    """A list, set or queue of the kernel, with all tokens that are ever in it; `says` explains it in one sentence."""

    name: str
    says: str
    tokens: tuple[Token, ...]
    queue: bool = False
    """Whether tokens wait in a row, rather than have a place each."""


@dataclass(frozen=True)
class Evidence:
    """What the boxes of a run are inferred from."""

    timeline: Timeline
    requests: Sequence[Portion]
    backlog: Sequence[Token]
    start_ns: int
    end_ns: int

    def find(self, *names: str) -> list[Call]:
        """Return the calls of these names."""
        return self.timeline.find(*names)

    @property
    def connections(self) -> dict[int, tuple[int, int]]:
        """Between which times the server had each connection."""
        since_ns = {call.connection: call.end_ns for call in self.find("accept", "accepted")}
        until_ns = {call.connection: call.start_ns for call in self.find("close")}
        numbers = sorted({call.connection for call in self.timeline if call.connection is not None})
        # Of a long run the accepts may be cut off.
        return {each: (since_ns.get(each, self.start_ns), until_ns.get(each, self.end_ns)) for each in numbers}

    def ready(self) -> Iterator[Token]:
        """Yield when each socket had something: a connection bytes or an end of file, the listening one a backlog."""
        yield from union(LISTENING, ((token.since_ns, token.until_ns) for token in self.backlog))
        for connection, open_ns in self.connections.items():
            spans = [*self._with_bytes(connection), *self._at_end_of_file(connection)]
            within = ((max(since, open_ns[0]), min(until, open_ns[1])) for since, until in spans)
            yield from union(connection, (span for span in within if span[0] < span[1]))

    def _with_bytes(self, connection: int) -> Iterator[tuple[int, int]]:
        began_ns = 0
        before = 0
        for at_ns, size_bytes in fill([each for each in self.requests if each.connection == connection]):
            if size_bytes and not before:
                began_ns = at_ns
            elif before and not size_bytes:
                yield began_ns, at_ns
            before = size_bytes

    def _at_end_of_file(self, connection: int) -> Iterator[tuple[int, int]]:
        waits = self.find(*WAITS)
        ends_ns = [call.end_ns for call in waits]
        for call in self.find("recv"):
            if call.connection == connection and call.result == 0:
                place = bisect_right(ends_ns, call.start_ns) - 1
                yield (_woken_ns(waits[place]) if place >= 0 else call.start_ns), call.end_ns


def union(connection: int, spans: Iterable[tuple[int, int]]) -> Iterator[Token]:
    """Yield spans of time as tokens of one connection, those that overlap as one."""
    since_ns = until_ns = -1
    for start_ns, end_ns in sorted(spans):
        if start_ns > until_ns:
            if until_ns > since_ns:
                yield Token(connection, since_ns, until_ns)
            since_ns, until_ns = start_ns, end_ns
        until_ns = max(until_ns, end_ns)
    if until_ns > since_ns:
        yield Token(connection, since_ns, until_ns)


def boxes(evidence: Evidence, source: str) -> list[Box]:
    """Return the boxes of the model that a timeline is of, by the calls that it waits in."""
    names = {call.name for call in evidence.timeline.calls}
    if names & {"epoll_wait", "kevent"}:
        return _epoll(evidence, "EPOLLET" in source or evidence.timeline.edge)
    if names & {"select", "poll"}:
        return _select(evidence, "select" if "select" in names else "poll")
    if names & set(SIGNAL_WAITS):
        return [_signals(evidence)]
    if names & set(RING_CALLS):
        return _ring(evidence, "send_silently" in source)
    if "aio_read" in names:
        return _aio(evidence)
    return []


def _epoll(evidence: Evidence, edge: bool) -> list[Box]:
    says = "Each socket that the program registered, once. The kernel keeps the list."
    interest = Box("Interest list", says, tuple(_interest(evidence)))
    if edge:
        says = "Sockets on which something new has come since they were last reported: an edge, told once."
        return [interest, Box("Ready list", says, tuple(_edges(evidence)), queue=True)]
    says = "Sockets of the interest list that have something now. epoll_wait takes its answer from here."
    return [interest, Box("Ready list", says, tuple(evidence.ready()), queue=True)]


def _interest(evidence: Evidence) -> Iterator[Token]:
    waits = evidence.find(*WAITS)
    if waits:
        yield Token(LISTENING, min(waits[0].start_ns, evidence.start_ns), evidence.end_ns)
    for connection, (since_ns, until_ns) in evidence.connections.items():
        yield Token(connection, since_ns, until_ns)


def _edges(evidence: Evidence) -> Iterator[Token]:
    """Yield each arrival until the end of the wait that reports it."""
    ends_ns = [call.end_ns for call in evidence.find(*WAITS)]
    came = [Token(LISTENING, token.since_ns, token.until_ns) for token in evidence.backlog]
    for connection, since_ns, _ in came + [Token(each[0], each[3], each[4]) for each in evidence.requests]:
        place = bisect_left(ends_ns, since_ns)
        if place < len(ends_ns):
            yield Token(connection, since_ns, ends_ns[place])


def _select(evidence: Evidence, name: str) -> list[Box]:
    waits = evidence.find(name)
    held = [
        Token(member, max(since_ns, call.start_ns), call.end_ns)
        for member, since_ns, until_ns in _interest(evidence)
        for call in waits
        if since_ns <= call.start_ns < until_ns
    ]
    says = f"Every call of {name} hands the whole set over, and the kernel forgets it when the call returns."
    ready = "Members that have something. The kernel looks at every member to find them."
    return [
        Box(f"Set of {name}", says, tuple(held)),
        Box("Have something", ready, tuple(evidence.ready()), queue=True),
    ]


def _signals(evidence: Evidence) -> Box:
    waits = evidence.find(*SIGNAL_WAITS)
    arrivals = sorted(
        [(each.arrived_ns, each.connection) for each in evidence.requests]
        + [(token.since_ns, LISTENING) for token in evidence.backlog]
    )
    says = "One signal for each change, with the descriptor in it. sigwaitinfo takes the first."
    return Box("Signal queue", says, tuple(_match(waits, arrivals)), queue=True)


def _match(waits: Sequence[Call], arrivals: Sequence[tuple[int, int]]) -> Iterator[Token]:
    """Yield a token for each signal that was taken: since the first arrival that none told of, if one came before.

    A call in vain, or one that sleeps, tells that the queue was empty: what had arrived by then raised no signal.
    """
    place, empty_ns = 0, 0
    for call in waits:
        if call.result == EAGAIN or call.away:
            empty_ns = call.away[0].start_ns if call.away and call.result != EAGAIN else call.start_ns
            place = max(place, bisect_right(arrivals, (empty_ns, NO_CONNECTION)))
        if not isinstance(call.result, int):
            continue
        if place < len(arrivals) and arrivals[place][0] <= call.end_ns:
            at_ns, connection = arrivals[place]
            place += 1
            yield Token(connection, at_ns, call.end_ns)
        else:  # for another change: room to send again, or an end of file
            yield Token(NOBODY, min(max(empty_ns, call.arrived_ns or call.start_ns), call.end_ns), call.end_ns)


def _ring(evidence: Evidence, silent: bool) -> list[Box]:
    learns = ("received", "accepted") if silent else ("received", "sent", "accepted")
    done = [call for call in evidence.find(*learns) if call.connection is not None]
    says = "Orders that the program wrote into shared memory: no system call. The next io_uring_enter hands them over."
    gives = "What is done, with its result, until the program reads it from shared memory: no system call either."
    return [
        Box("Submission queue", says, tuple(_orders(evidence.find(*RING_CALLS))), queue=True),
        Box("Completion queue", gives, tuple(_completions(evidence.find(*RING_CALLS), done)), queue=True),
    ]


def _orders(enters: Sequence[Call]) -> Iterator[Token]:
    """Yield the orders that each call handed over, written evenly since the call before."""
    before_ns = enters[0].start_ns - 1 if enters else 0
    for call in enters:
        count = call.result if isinstance(call.result, int) else 0
        for number in range(count):
            since_ns = before_ns + (call.start_ns - before_ns) * (number + 1) // (count + 1)
            yield Token(NOBODY, since_ns, max(since_ns, call.start_ns + 1))
        before_ns = call.end_ns


def _completions(enters: Sequence[Call], done: Iterable[Call]) -> Iterator[Token]:
    ends_ns = [call.end_ns for call in enters]
    for call in done:
        place = bisect_right(ends_ns, call.start_ns) - 1
        since_ns = _woken_ns(enters[place]) if place >= 0 else call.start_ns
        yield Token(call.connection or 0, since_ns, call.end_ns)


def _woken_ns(call: Call) -> int:
    """Return the middle of what a call did after its last sleep."""
    begin_ns = max([call.start_ns, *(absence.end_ns for absence in call.away or ())])
    return min((begin_ns + call.end_ns) // 2, call.end_ns)


def _aio(evidence: Evidence) -> list[Box]:
    busy: list[Token] = []
    done: list[Token] = []
    arrivals = {(each.connection, each.taken_ns): each.arrived_ns for each in evidence.requests}
    for asked, learnt in _pairs(evidence.timeline.calls):
        connection = LISTENING if asked.connection is None else asked.connection
        waits = [call for call in evidence.find("aio_suspend") if call.end_ns <= learnt.start_ns]
        ready_ns = _woken_ns(waits[-1]) if waits else learnt.start_ns
        taken_ns = max((at for (who, at) in arrivals if who == connection and at <= learnt.start_ns), default=0)
        if learnt.name == "received" and taken_ns >= asked.start_ns:
            ready_ns = taken_ns
        ready_ns = min(max(ready_ns, asked.start_ns), learnt.start_ns)
        busy.append(Token(connection, asked.start_ns, ready_ns))
        done.append(Token(connection, ready_ns, learnt.end_ns))
    says = "Threads of the C library: each makes one blocking call for the program, and sleeps in it."
    return [
        Box("Helper threads", says, tuple(busy)),
        Box("Done", "Requests with a result that the program has not looked at yet.", tuple(done), queue=True),
    ]


def _pairs(calls: Iterable[Call]) -> Iterator[tuple[Call, Call]]:
    """Yield each request of aio with the row in which the server learns of its end."""
    ends = {"received": "aio_read", "sent": "aio_write"}
    asked: dict[tuple[str, Any], Call] = {}
    for call in calls:
        if call.name in ends.values():
            asked[call.name, call.connection] = call
        elif (call.name in ends) and (ends[call.name], call.connection) in asked:
            yield asked.pop((ends[call.name], call.connection)), call


def backlog(timeline: Timeline) -> Iterator[Token]:
    """Yield how long each connection waited to be accepted: all had connected when the load began.

    Of a server that was watched from outside they come at any time, which the load tells, or nobody.
    """
    waits: dict[int, Call] = {}
    begin_ns = [timeline.records.start_ns] if len(timeline.records) else []
    for call in timeline.calls:
        if call.name in WAITS:
            waits[call.thread] = call
        elif call.name in ("accept", "accepted") and call.connection is not None and call.result != EAGAIN:
            slept = [call] if call.away else [waits[call.thread]] if call.thread in waits else []
            wakes_ns = [absence.end_ns for each in slept for absence in (each.away or ())[-1:]]
            since_ns = min([*begin_ns, call.end_ns - 1, *wakes_ns])
            if call.arrived_ns not in (None, call.start_ns):
                since_ns = min(call.arrived_ns or 0, call.end_ns - 1)
            yield Token(call.connection, since_ns, call.end_ns)
