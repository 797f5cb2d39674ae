"""The calls of a watch as a timeline, of which the figures, the replay and Chrome trace are made as of our own servers.

Theory of operation: it holds what a timeline of ours holds, the calls on connections and the waits, under the same
names. Their times are those of strace, which stops a thread before and after each call. Bytes arrive over loopback
when they are sent, so an arrival is known where the load of the watch asked; and where the server was told before of
what it received, the bytes were there when the call began. All else is unknown, and stays so.
"""

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iolab.errors import UsageError
from iolab.measurement.placement import Placement
from iolab.trace.calls import Call, attribute_arrivals
from iolab.trace.timeline import Timeline
from iolab.traffic.doubts import Doubt
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload
from iolab.xrays.facts import ACCEPTS, RECEIVES, SENDS, WAITS, Facts
from iolab.xrays.load import Exchange, Load
from iolab.xrays.syscalls import Syscall

NAMES = {
    **dict.fromkeys(ACCEPTS, "accept"), **dict.fromkeys(RECEIVES, "recv"), **dict.fromkeys(SENDS, "send"),
    "epoll_pwait": "epoll_wait", "epoll_pwait2": "epoll_wait", "ppoll": "poll", "pselect6": "select",
    "rt_sigtimedwait": "sigtimedwait", "rt_sigsuspend": "sigwait", "io_getevents": "aio_suspend",
}  # fmt: skip
"""What a timeline calls a system call, where it is not the same."""

_PEER = re.compile(r".*:(\d+)\]")


@dataclass(frozen=True)
class Material:
    """What a timeline is made of: the calls of a watch with its load, and what is said of them."""

    command: str
    seconds: float
    facts: Facts
    load: Load | None
    tracer: str
    cost_us: float
    edge: bool


def timeline(picture: Material, thread: int | None = None) -> Timeline:
    """Return the timeline of one thread, or of the process that received most often."""
    facts = picture.facts
    everything = [call for call in facts.calls if call.end_s >= facts.since_s and call.result is not None]
    syscalls = [call for call in everything if id(call) in facts.connections or call.name in (*WAITS, *ACCEPTS)]
    threads = {call.thread for call in syscalls}
    if thread is None:
        threads = _busiest(facts, threads)
    elif thread in threads:
        threads = {thread}
    else:
        raise UsageError(f"no thread {thread} has such calls, but {', '.join(map(str, sorted(threads)))}")
    syscalls = [call for call in syscalls if call.thread in threads]
    exchanges = picture.load.exchanges if picture.load else []
    numbers = _numbers(facts, syscalls, exchanges)
    calls = tuple(attribute_arrivals(list(_calls(facts, syscalls, numbers, Clients(picture.load)))))
    records = _records(picture, numbers, calls)
    return Timeline(
        picture.command, calls, records, Placement(None, None, "watched from outside"),
        stamped=False, cost_ns_per_call=round(picture.cost_us * 1e3),
        doubts=tuple(_doubts(picture, records, calls, len(everything) - len(syscalls))),
        edge=picture.edge,
    )  # fmt: skip


class Clients:
    """When the clients of the load connected and sent; nothing without a load."""

    def __init__(self, load: Load | None) -> None:
        self._connected_ns = load.connected_ns if load else {}
        self._sent_ns: dict[int, list[int]] = defaultdict(list)
        for each in load.exchanges if load else []:
            self._sent_ns[each.port].append(each.sent_ns)

    def arrival_ns(self, name: str, connection: str, end_ns: int) -> int | None:
        """Return when what a call took had come: a connection, or the last request that was sent by its end."""
        peer = _PEER.match(connection)
        if not peer or name not in ("accept", "recv"):
            return None
        if name == "accept":
            return self._connected_ns.get(int(peer[1]))
        earlier = self._sent_ns[int(peer[1])]
        place = bisect_right(earlier, end_ns) - 1
        return earlier[place] if place >= 0 else None


def _busiest(facts: Facts, threads: set[int]) -> set[int]:
    """Return those of these threads that are of the process that received most often; of all, if none did."""
    receives = Counter(facts.process(received.call.thread) for received in facts.received)
    busiest = max(receives, key=lambda process: receives[process], default=None)
    return {thread for thread in threads if busiest in (None, facts.process(thread))}


def _numbers(facts: Facts, syscalls: Iterable[Syscall], exchanges: Iterable[Exchange]) -> dict[str, int]:
    """Return a number for each connection, in the order of their first calls; without any, of those that asked."""
    names = dict.fromkeys(facts.connections[id(call)] for call in syscalls if id(call) in facts.connections)
    names = names or dict.fromkeys(f":{each.port}]" for each in exchanges)
    return {name: number for number, name in enumerate(names)}


def _calls(facts: Facts, syscalls: Iterable[Syscall], numbers: Mapping[str, int], clients: Clients) -> Iterator[Call]:
    there = {id(received.call) for received in facts.received if received.kind != "blocking"}
    for call in syscalls:
        connection, name = facts.connections.get(id(call), ""), NAMES.get(call.name, call.name)
        start_ns, end_ns = _ns(call.start_s), _ns(call.end_s)
        arrived_ns = clients.arrival_ns(name, connection, end_ns) if call.got else None
        if arrived_ns is None and id(call) in there:
            arrived_ns = start_ns
        result = call.error or call.result or 0
        yield Call(name, numbers.get(connection), start_ns, end_ns, result, call.thread, arrived_ns)


def _ns(seconds: float) -> int:
    return round(seconds * 1e6) * 1000  # strace writes microseconds


def _records(picture: Material, numbers: Mapping[str, int], calls: Sequence[Call]) -> Records:
    """Return what the load of the watch asked on these connections; no requests where others asked."""
    ports = {int(peer[1]): number for name, number in numbers.items() if (peer := _PEER.match(name))}
    load = picture.load
    mine = [each for each in load.exchanges if each.port in ports] if load else []
    connection = np.array([ports[each.port] for each in mine], np.int32)
    sent_ns, answered_ns = (
        np.array([getattr(each, name) for each in mine], np.int64) for name in ("sent_ns", "answered_ns")
    )
    start_ns = min(each.sent_ns for each in mine) if mine else calls[0].start_ns if calls else 0
    sizes = Counter(each.reply_bytes for each in mine).most_common(1)
    workload = Workload(
        connections=max(1, len(numbers)), seconds=picture.seconds, request=load.protocol.request if load else None,
        expect="any", reply_bytes=sizes[0][0] if sizes else None,
    )  # fmt: skip
    end_ns = max([start_ns, *(each.answered_ns for each in mine)])
    return Records(workload, connection, sent_ns, sent_ns, answered_ns, start_ns, end_ns, 0, 0)


def _doubts(picture: Material, records: Records, calls: tuple[Call, ...], others: int) -> Iterator[Doubt]:
    """Yield what this timeline cannot tell, which stands under every figure of it."""
    if picture.tracer == "strace":
        yield Doubt("strace")
    if not len(records):
        yield Doubt("unseen clients")
    if not any(call.name == "recv" for call in calls):
        yield Doubt("hidden calls", {"model": "it"})
    if others:
        yield Doubt("other calls", {"calls": others})
