"""The connections, and the loop that resumes whichever conversation can go on."""

import errno
import select
import socket
import time
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

from .control import CONTROL, say
from .conversation import WAIT, Conversation, converse, prepare
from .journal import Journal, clock
from .requests import KINDS, WrongReply, request_pairs
from .waiting import choose_waiter

TICK_NS = 100_000_000
ADVICE: dict[int | None, str] = {errno.ENETUNREACH: "is the network up? `iolab doctor` tells"}
WATCH = -1
"""In the place of a descriptor: this conversation goes on by the clock alone."""


class Loop:
    """The connections with their conversations, and when each of them goes on."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self.work = journal, journal.work
        self.patience_ns = int(self.work["patience_s"] * 1e9)
        self.stopped = self.quiet = False
        self.waiter = choose_waiter(self.work["spin"])
        self.idle: list[socket.socket] = []
        self.sockets: dict[int, socket.socket] = {}
        self.conversations: dict[int, Conversation] = {}
        self.timers: list[tuple[int, int]] = []
        self.cpu_ns = self.seen = 0

    def connect(self) -> None:
        """Open every connection, idle ones first, one after the other."""
        connections: list[socket.socket] = []
        idle, total = self.work["idle"], self.work["idle"] + self.work["connections"]
        address, *others = map(tuple, self.work["addresses"])
        try:
            while len(connections) < total:
                try:
                    connections.append(open_connection(address, self.work["patience_s"]))
                except OSError:
                    if connections or not others:
                        raise
                    address, *others = others  # as of `localhost`, where nobody listens on ::1
        except OSError as error:
            number = len(connections) + 1
            why = f"{error}; {ADVICE.get(error.errno, 'is a server listening there?')}"
            raise ConnectionError(f"connection {number} of {total} to {name(address)} failed: {why}") from None
        self.journal.address = address
        self.idle, pairs = connections[:idle], request_pairs(self.work)
        self.journal.stamped = all(ask_for_stamps(each, self.work["stamps"]) for each in connections[idle:])
        self.journal.stamp_room_bytes = self.work["stamp_room_bytes"]
        for index, connection in enumerate(connections[idle:]):
            self.sockets[connection.fileno()] = connection
            self.conversations[connection.fileno()] = converse(self.journal, pairs, self.waiter, index, connection)

    def run(self) -> None:
        """Hold all conversations until they end, or until nothing moves for patience_s."""
        self.begin()
        journal, wait, timers, resume = self.journal, self.waiter.wait, self.timers, self.resume
        while self.sockets:
            ready = wait(timers[0][0])
            journal.woke_ns = clock()
            for descriptor, _ in ready:
                resume(descriptor)
            while timers and timers[0][0] <= clock():
                resume(heappop(timers)[1])
        journal.end_ns = clock()
        self.cpu_ns = time.process_time_ns() - self.cpu_ns - self.waiter.idle_ns

    def begin(self) -> None:
        """Start the clock, watch the connections and the parent, and let every conversation begin."""
        self.cpu_ns = time.process_time_ns()
        self.journal.begin()
        for descriptor in self.sockets:
            self.waiter.register(descriptor, select.POLLIN)
        self.timers += [(self.journal.start_ns, descriptor) for descriptor in self.conversations]
        self.conversations[CONTROL] = self.obey()
        self.waiter.register(CONTROL, select.POLLIN)
        self.conversations[WATCH] = self.watch()
        self.timers.append((self.journal.start_ns, WATCH))
        if self.waiter.timer is not None:
            self.conversations[self.waiter.timer] = repeat(WAIT)

    def resume(self, descriptor: int) -> None:
        """Let a conversation go on until it waits again, or ends."""
        try:
            due_ns = next(self.conversations[descriptor])
            if due_ns:
                heappush(self.timers, (due_ns, descriptor))
        except KeyError:  # its timer is due, or it is ready, but it has ended
            pass
        except (StopIteration, OSError, WrongReply) as end:
            self.close(descriptor, end)

    def close(self, descriptor: int, end: Exception) -> None:
        """Close a connection whose conversation is over, and count how it ended."""
        del self.conversations[descriptor]
        self.sockets.pop(descriptor).close()
        if not isinstance(end, StopIteration):
            if not self.journal.answered:
                self.journal.fits = self.journal.fits or getattr(end, "fits", "")
            self.journal.count(KINDS.get(type(end), type(end).__name__), str(end))

    def watch(self) -> Conversation:
        """Report progress at every tick, and give up on replies that do not come."""
        while True:
            yield clock() + TICK_NS
            self.tick(clock())

    def tick(self, now_ns: int) -> None:
        """Say how far the work is, and close all connections when nothing has moved for patience_s."""
        journal = self.journal
        if len(journal.answered) != self.seen:
            self.seen, journal.moved_ns = len(journal.answered), now_ns
        if not self.quiet:
            errors = sum(journal.errors.values())
            say(tick={"done": journal.share_done(now_ns), "requests": self.seen, "errors": errors})
        if now_ns - journal.moved_ns > self.patience_ns and not self.timers:
            for descriptor in list(self.sockets):
                self.close(descriptor, TimeoutError(f"no reply in {self.work['patience_s']:g} s"))

    def obey(self) -> Conversation:
        """Stop when the parent closes our standard input, or says anything more."""
        yield WAIT
        self.stopped = True
        self.sockets.clear()
        self.conversations.clear()  # some may be ready in this very round
        yield WAIT


def open_connection(address: tuple[Any, ...], patience_s: float) -> socket.socket:
    """Return a connection that does not wait."""
    return prepare(socket.create_connection(address, patience_s))


def name(address: tuple[Any, ...]) -> str:
    """Return an address as it is written."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ask_for_stamps(connection: socket.socket, option: list[int] | None) -> bool:
    """Have the kernel stamp what it receives (`SO_TIMESTAMPING`); return whether it will."""
    try:
        if option:
            connection.setsockopt(*option)
    except OSError:
        return False
    return bool(option)
