"""Who did what: the system calls of a server by its connections, threads and processes.

Theory of operation: the calls are gone through once, in order. Descriptors mean something within a process alone, so
what each stands for is kept by process, and a fork copies it. A connection is known everywhere by its two addresses.
How a thread came to receive is told by who watched the connection: an epoll that it was added to, a poll or select
that named it beside others, a signal that was armed for it; or nobody.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from iolab.xrays.syscalls import Syscall

ACCEPTS = ("accept", "accept4")
RECEIVES = ("read", "readv", "recv", "recvfrom", "recvmsg")
SENDS = ("write", "writev", "send", "sendto", "sendmsg", "sendfile", "sendfile64", "splice")
WAITS = {
    "epoll_wait": "epoll", "epoll_pwait": "epoll", "epoll_pwait2": "epoll", "poll": "poll", "ppoll": "poll",
    "select": "select", "pselect6": "select", "rt_sigtimedwait": "signals", "rt_sigsuspend": "signals",
    "io_uring_enter": "io_uring", "io_getevents": "aio",
}  # fmt: skip
"""The calls that wait for many, and what their kind is called."""

FLAGS = {"EPOLLIN": 0x1, "EPOLLOUT": 0x4, "EPOLLEXCLUSIVE": 1 << 28, "EPOLLONESHOT": 1 << 30, "EPOLLET": 1 << 31}
EVENTS = FLAGS["EPOLLIN"] | FLAGS["EPOLLOUT"]
LEVEL = "level-triggered"
BIRTHS = ("clone", "clone3", "fork", "vfork")

_ADDRESSES = re.compile(r"TCP(?:v6)?:\[.*:(\d+)->.*\]")
_PORT = re.compile(r"TCP(?:v6)?:\[.*:(\d+)\]")
_CONTROL = re.compile(r"EPOLL_CTL_(\w+), (\d+)<.*?>, (?:\{events=([^,]*))?")
_POLLED = re.compile(r"fd=(\d+)<")
_SELECTED = re.compile(r"(?:^|[\[ ])(\d+)<")

Place = tuple[int, int]
"""A process and a descriptor of it."""


@dataclass(frozen=True)
class Received:
    """A receive that brought something: the call, its connection, and what watched that."""

    call: Syscall
    connection: str
    kind: str
    mode: str


@dataclass
class Facts:
    """What the calls of a server tell; `since_s` is when the watch began: what came before is known, not counted."""

    calls: Sequence[Syscall]
    process_of: dict[int, int]
    since_s: float = 0.0
    ports: set[int] = field(default_factory=set)
    watched: dict[Place, int] = field(default_factory=dict)
    """The mask of events of every descriptor in an epoll."""
    received: list[Received] = field(default_factory=list)
    sent: list[tuple[Syscall, str]] = field(default_factory=list)
    accepted: dict[str, Syscall] = field(default_factory=dict)
    accepts: list[Syscall] = field(default_factory=list)
    connections: dict[int, str] = field(default_factory=dict)
    """By the `id` of a call: the connection that it is on."""
    ended: dict[tuple[int, str], float] = field(default_factory=dict)
    """By process and connection: when an end of file was read there and the descriptor not closed since."""
    closed: int = 0
    born: dict[int, tuple[float, bool]] = field(default_factory=dict)
    """Threads that began during the watch: when, and whether as a process."""
    asks: Counter[int] = field(default_factory=Counter)
    """By thread: how often it asked in vain for bytes."""
    exclusive: bool = False
    armed: set[Place] = field(default_factory=set)
    polled: dict[Place, str] = field(default_factory=dict)
    listeners: set[str] = field(default_factory=set)
    helpers: set[str] = field(default_factory=set)
    """Connections that glibc's aio reads: it tries `pread64` first, which a socket refuses (ESPIPE)."""
    names: dict[Place, str] = field(default_factory=dict)
    loops: set[int] = field(default_factory=set)
    """Threads that an epoll told of something."""
    nonblocking: set[Place] = field(default_factory=set)
    plain: set[str | Place] = field(default_factory=set)
    """Connections on which TCP_NODELAY was set, and listening sockets, from which they inherit it."""

    @property
    def counted(self) -> list[Syscall]:
        """The calls since the watch began."""
        return [call for call in self.calls if call.start_s >= self.since_s and call.name not in ("signal", "exit")]

    def process(self, thread: int) -> int:
        """Return the process of a thread."""
        return self.process_of.get(thread, thread)

    def connection(self, call: Syscall) -> str | None:
        """Return the connection that a call is on, if it is one that the server accepted."""
        if call.descriptor is None:
            return None
        place = self.process(call.thread), call.descriptor
        if match := _ADDRESSES.match(call.target):
            if int(match[1]) in self.ports:
                self.names[place] = call.target
                return call.target
            return None
        if call.target in self.accepted:
            return call.target
        return self.names.get(place) if call.target.startswith(("TCP", "socket:")) else None


def read(
    calls: Sequence[Syscall],
    process_of: Mapping[int, int],
    *,
    since_s: float = 0.0,
    ports: Collection[int] = (),
    watched: Mapping[Place, int] | None = None,
) -> Facts:
    """Go through the calls, and return who did what."""
    facts = Facts(calls, dict(process_of), since_s, set(ports), dict(watched or {}))
    facts.exclusive = any(mask & FLAGS["EPOLLEXCLUSIVE"] for mask in facts.watched.values())
    for call in calls:  # the ports first: a connection may be older than the first accept that is seen
        if call.name in ACCEPTS and (match := _PORT.match(call.target)):
            facts.ports.add(int(match[1]))
    for call in calls:
        if connection := facts.connection(call) or call.opened * (call.name in ACCEPTS):
            facts.connections[id(call)] = connection
        handle = HANDLERS.get(call.name)
        if handle:
            handle(facts, call)
    facts.received = _tell_polling(facts)
    return facts


def _tell_polling(facts: Facts) -> list[Received]:
    """Call a receive that nobody watched non-blocking if its thread mostly asked in vain."""
    receives = Counter(received.call.thread for received in facts.received)
    asking = {thread for thread, asks in facts.asks.items() if asks > receives[thread]}
    return [
        replace(each, kind="nonblocking") if each.kind == "blocking" and each.call.thread in asking else each
        for each in facts.received
    ]


def _accept(facts: Facts, call: Syscall) -> None:
    if call.result is None or call.result < 0:  # several are woken for one connection, and all but one ask in vain
        return
    facts.accepted[call.opened] = call
    if (facts.process(call.thread), call.descriptor or 0) in facts.plain:
        facts.plain.add(call.opened)
    facts.listeners.add(call.target)
    place = facts.process(call.thread), call.result
    facts.names[place] = call.opened
    for record in (facts.watched, facts.polled):
        record.pop(place, None)
    facts.armed.discard(place)
    (facts.nonblocking.add if "SOCK_NONBLOCK" in call.arguments else facts.nonblocking.discard)(place)
    if call.end_s >= facts.since_s:  # a pool sleeps in accept since before the watch
        facts.accepts.append(call)


def _receive(facts: Facts, call: Syscall) -> None:
    connection = facts.connection(call)
    if not connection or call.start_s < facts.since_s:
        return
    if call.in_vain:
        facts.asks[call.thread] += 1
    elif call.result == 0 or call.error == "ECONNRESET":
        facts.ended[facts.process(call.thread), connection] = call.end_s
    elif call.got:
        facts.received.append(Received(call, connection, *_how(facts, call, connection)))


def _how(facts: Facts, call: Syscall, connection: str) -> tuple[str, str]:
    assert call.descriptor is not None
    place = facts.process(call.thread), call.descriptor
    if connection in facts.helpers:
        return "aio", ""
    if place in facts.watched:
        return "epoll", mode_of(facts.watched[place])
    if place in facts.armed:
        return "signals", ""
    if place in facts.polled:
        return facts.polled[place], ""
    if call.thread in facts.loops and place in facts.nonblocking:  # asked first, to be watched only if it has nothing
        masks = (mask for (process, _), mask in facts.watched.items() if process == place[0])
        modes = Counter(map(mode_of, masks))
        return "epoll", max(modes, key=lambda mode: (mode != LEVEL, modes[mode]), default=LEVEL)
    return "blocking", ""


def mode_of(mask: int) -> str:
    """Return how an epoll tells of a descriptor with this mask."""
    if mask & FLAGS["EPOLLONESHOT"]:
        return "one-shot"
    return "edge-triggered" if mask & FLAGS["EPOLLET"] else LEVEL


def _send(facts: Facts, call: Syscall) -> None:
    connection = facts.connection(call)
    if connection and call.got and call.start_s >= facts.since_s:
        facts.sent.append((call, connection))


def _control(facts: Facts, call: Syscall) -> None:
    for match in _CONTROL.finditer(call.arguments):
        place = facts.process(call.thread), int(match[2])
        if match[1] != "DEL" and match[3] and call.result == 0:
            mask = sum(FLAGS.get(flag, 0) for flag in match[3].split("|"))
            if mask & EVENTS or place not in facts.watched:  # a set without events, or a DEL, is a pause
                facts.watched[place] = mask
            facts.exclusive |= bool(mask & FLAGS["EPOLLEXCLUSIVE"])


def _watch(facts: Facts, call: Syscall) -> None:
    kind = WAITS[call.name]
    found = (_POLLED if kind == "poll" else _SELECTED).findall(call.arguments)
    if len(set(found)) > 1:  # one alone is a time-out for it, or for the door
        process = facts.process(call.thread)
        facts.polled |= {(process, int(descriptor)): kind for descriptor in found}


def _loop(facts: Facts, call: Syscall) -> None:
    if call.got:
        facts.loops.add(call.thread)


def _arm(facts: Facts, call: Syscall) -> None:
    if call.descriptor is None:
        return
    place = facts.process(call.thread), call.descriptor
    if re.search(r"F_SETSIG|FASYNC|O_ASYNC|FIOASYNC", call.arguments):
        facts.armed.add(place)
    if re.search(r"F_SETFL, .*O_NONBLOCK|FIONBIO, \[1\]", call.arguments):
        facts.nonblocking.add(place)


def _close(facts: Facts, call: Syscall) -> None:
    if call.descriptor is None:
        return
    place = facts.process(call.thread), call.descriptor
    connection = facts.names.pop(place, None)
    facts.watched.pop(place, None)
    facts.polled.pop(place, None)
    facts.armed.discard(place)
    if connection:
        facts.closed += 1
        facts.ended.pop((place[0], connection), None)


def _birth(facts: Facts, call: Syscall) -> None:
    if not call.got or not call.result:
        return
    is_process, parent = "CLONE_THREAD" not in call.arguments, facts.process(call.thread)
    facts.process_of[call.result] = call.result if is_process else parent
    facts.born[call.result] = call.start_s, is_process
    if is_process:
        for record in (facts.names, facts.watched, facts.polled):
            _copy(record, parent, call.result)


def _copy(record: "dict[Place, str] | dict[Place, int]", parent: int, child: int) -> None:
    for (process, descriptor), value in list(record.items()):
        if process == parent:
            record[child, descriptor] = value  # type: ignore[assignment]


def _exit(facts: Facts, call: Syscall) -> None:
    if facts.process(call.thread) == call.thread:
        facts.ended = {key: at_s for key, at_s in facts.ended.items() if key[0] != call.thread}


def _help(facts: Facts, call: Syscall) -> None:
    if call.error == "ESPIPE" and (connection := facts.connection(call)):
        facts.helpers.add(connection)


def _option(facts: Facts, call: Syscall) -> None:
    if "TCP_NODELAY" in call.arguments and call.descriptor is not None:
        facts.plain.add(facts.connection(call) or (facts.process(call.thread), call.descriptor))


HANDLERS = {
    **dict.fromkeys(ACCEPTS, _accept),
    **dict.fromkeys(RECEIVES, _receive),
    **dict.fromkeys(SENDS, _send),
    **dict.fromkeys(BIRTHS, _birth),
    **{name: _watch for name, kind in WAITS.items() if kind in ("poll", "select")},
    **{name: _loop for name, kind in WAITS.items() if kind == "epoll"},
    "epoll_ctl": _control,
    "fcntl": _arm,
    "ioctl": _arm,
    "close": _close,
    "exit": _exit,
    "pread64": _help,
    "pwrite64": _help,
    "setsockopt": _option,
}


def by_thread(facts: Facts) -> dict[int, set[str]]:
    """Return the connections that each thread received on."""
    threads: dict[int, set[str]] = defaultdict(set)
    for received in facts.received:
        threads[received.call.thread].add(received.connection)
    return threads
