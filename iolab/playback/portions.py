"""Where the bytes of a run were: in flight, in a buffer of the kernel, or in hand.

Theory of operation. No record says how full a buffer is. But the client wrote down when it sent each request and
when each reply arrived, the kernel stamped what came in, and every call says how many bytes it took or gave. A
connection carries one request at a time, so the two sides can be laid on each other, byte by byte::

    client   sent |---- in flight ----| arrived
    kernel                            |#### receive buffer ####| taken
    server                                               recv ->

A portion is what one call took of one request, or gave to one reply. Its times are records where there are any,
and else the latest that is certain; a `recv` that found nothing tells as well: what came next arrived later.
Records and calls are laid on each other from their ends, since a long recording keeps its last calls.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from iolab.trace.calls import SENDS, WAITS, Call
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

HANDOVERS = ("io_uring_submit", "io_uring_enter", "aio_write")
"""Calls that hand an order to send to the kernel, or to the C library."""


class Portion(NamedTuple):
    """Bytes of one request or one reply: when they were sent, arrived in the other side's kernel, and were taken."""

    connection: int
    size_bytes: int
    sent_ns: int
    arrived_ns: int
    taken_ns: int


def requests(timeline: Timeline) -> Iterator[Portion]:
    """Yield what came from the clients: each portion lies in a receive buffer from `arrived_ns` to `taken_ns`."""
    if hides_its_calls(timeline):
        yield from _hidden_requests(timeline)
    else:
        for connection, own in by_connection(timeline).items():
            yield from _receive_portions(timeline, connection, own)


def replies(timeline: Timeline) -> Iterator[Portion]:
    """Yield what went to the clients: each portion lies in a send buffer from `sent_ns` to `arrived_ns`."""
    if hides_its_calls(timeline):
        yield from _hidden_replies(timeline)
    else:
        for connection, own in by_connection(timeline).items():
            yield from _send_portions(timeline, connection, own)


def fill(portions: Sequence[Portion], *, sending: bool = False) -> list[tuple[int, int]]:
    """Return how many bytes lie in the receive buffer, or the send buffer, of one connection: pairs of time and bytes.

    At equal times what comes in counts before what goes out.
    """
    came = [(each.sent_ns if sending else each.arrived_ns, 0, each.size_bytes) for each in portions]
    went = [(each.arrived_ns if sending else each.taken_ns, 1, -each.size_bytes) for each in portions]
    changes = sorted(came + went)
    return list(zip([at_ns for at_ns, *_ in changes], accumulate(size for *_, size in changes), strict=True))


def hides_its_calls(timeline: Timeline) -> bool:
    """Whether no call of the run received anything: its loop has sockets of its own, which do not record."""
    return not any(call.name in ("recv", "received") for call in timeline.calls)


def by_connection(timeline: Timeline) -> dict[int, list[Call]]:
    """Return the calls on each connection, in their order."""
    calls: dict[int, list[Call]] = {}
    for call in timeline.calls:
        if call.connection is not None:
            calls.setdefault(call.connection, []).append(call)
    return calls


def transferred(call: Call) -> int:
    """Return how many bytes a call moved."""
    return call.result if isinstance(call.result, int) else 0


def sizes_bytes(timeline: Timeline) -> tuple[int, int]:
    """Return how long a request is, and its reply."""
    work = timeline.records.workload
    request_bytes = len(work.request) if work.request else work.size_bytes
    expected_bytes = len(work.expect) if isinstance(work.expect, bytes) else request_bytes
    return request_bytes, work.reply_bytes or expected_bytes


def _receive_portions(timeline: Timeline, connection: int, calls: Sequence[Call]) -> Iterator[Portion]:
    takes = [call for call in calls if call.name in ("recv", "received") and transferred(call) > 0]
    in_vain = [call.start_ns for call in calls if call.name == "recv" and call.result == EAGAIN]
    waits = _Waits(timeline)
    records = timeline.records
    sent_ns = sorted(records.sent_ns[records.connection == connection].tolist())
    for call, size_bytes, number in _portions(takes, sizes_bytes(timeline)[0], len(sent_ns)):
        place = bisect_left(in_vain, call.start_ns) - 1
        nothing_ns = in_vain[place] if place >= 0 else 0
        begin_ns = sent_ns[number] if number >= 0 else (call.arrived_ns or call.start_ns)
        taken_ns = max(begin_ns, waits.completion_ns(call)) if call.name == "received" else call.end_ns
        arrived_ns = max(begin_ns, nothing_ns, call.arrived_ns or 0)
        yield Portion(connection, size_bytes, min(begin_ns, taken_ns), min(arrived_ns, taken_ns), taken_ns)


def _send_portions(timeline: Timeline, connection: int, calls: Sequence[Call]) -> Iterator[Portion]:
    gives = [call for call in calls if call.name in (*SENDS, "sent") and transferred(call) > 0]
    handovers = _Handovers(timeline, connection, calls)
    records = timeline.records
    mine = records.connection == connection
    answers = sorted(zip(records.reply_ns[mine].tolist(), records.answered_ns[mine].tolist(), strict=True))
    cuts = list(_portions(gives, sizes_bytes(timeline)[1], len(answers)))
    starts_ns = [handovers.begin_ns(call) for call, *_ in cuts]
    for place, ((call, size_bytes, number), begin_ns) in enumerate(zip(cuts, starts_ns, strict=True)):
        last = place + 1 == len(cuts) or cuts[place + 1][2] != number
        reply_ns, answered_ns = answers[number] if number >= 0 else (call.end_ns, call.end_ns)
        arrived_ns = max(begin_ns, reply_ns if last else min(starts_ns[place + 1], reply_ns))
        yield Portion(connection, size_bytes, begin_ns, arrived_ns, max(arrived_ns, answered_ns))


def _portions(calls: Sequence[Call], length_bytes: int, count: int) -> Iterator[tuple[Call, int, int]]:
    """Yield the bytes of each call, cut where one message ends: the call, how many, and the number of the message.

    The last call ends the last message; a number below zero is one that no record tells of.
    """
    place = count * length_bytes - sum(map(transferred, calls))
    for call in calls:
        end = place + transferred(call)
        edges = [place, *range((place // length_bytes + 1) * length_bytes, end, length_bytes), end]
        for start, stop in pairwise(edges):
            yield call, stop - start, start // length_bytes
        place = end


class _Waits:
    """The calls in which the kernel completes what was asked for."""

    def __init__(self, timeline: Timeline) -> None:
        self._calls = [call for call in timeline.calls if call.name in (*WAITS, "io_uring_submit")]
        self._ends_ns = [call.end_ns for call in self._calls]

    def completion_ns(self, learnt: Call) -> int:
        """Return when the kernel had the bytes out of the buffer: in the last wait before the server learnt of it."""
        place = bisect_left(self._ends_ns, learnt.start_ns) - 1
        if place < 0:
            return learnt.start_ns
        call = self._calls[place]
        begin_ns = max([call.start_ns, *(absence.end_ns for absence in call.away or ())])
        return min((begin_ns + call.end_ns) // 2, call.end_ns)


class _Handovers:
    """When the orders to send were handed over, whose completions are known."""

    def __init__(self, timeline: Timeline, connection: int, calls: Sequence[Call]) -> None:
        every = [call for call in timeline.calls if call.name in HANDOVERS and call.connection in (None, connection)]
        self._starts_ns = [call.start_ns for call in every]
        self._received_ns = [call.start_ns for call in calls if call.name == "received"]

    def begin_ns(self, call: Call) -> int:
        """Return when a send began; one that completes, with the first handover after its request was received."""
        if call.name != "sent":
            return call.start_ns
        request = bisect_left(self._received_ns, call.start_ns) - 1
        place = bisect_left(self._starts_ns, self._received_ns[request]) if request >= 0 else len(self._starts_ns)
        return min(self._starts_ns[place], call.start_ns) if place < len(self._starts_ns) else call.start_ns


def _hidden_requests(timeline: Timeline) -> Iterator[Portion]:
    records, size_bytes = timeline.records, sizes_bytes(timeline)[0]
    for connection, sent_ns, reply_ns in zip(
        records.connection.tolist(), records.sent_ns.tolist(), records.reply_ns.tolist(), strict=True
    ):
        yield Portion(connection, size_bytes, sent_ns, sent_ns, max(sent_ns, reply_ns))


def _hidden_replies(timeline: Timeline) -> Iterator[Portion]:
    records, size_bytes = timeline.records, sizes_bytes(timeline)[1]
    for connection, reply_ns, answered_ns in zip(
        records.connection.tolist(), records.reply_ns.tolist(), records.answered_ns.tolist(), strict=True
    ):
        yield Portion(connection, size_bytes, reply_ns, reply_ns, max(reply_ns, answered_ns))
