"""The connections, and the loop that resumes whichever can go on."""

import select
import socket
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

from .control import CONTROL, say
from .conversation import WAIT, Conversation, converse
from .requests import KINDS, WrongReply, request_pairs
from .waiting import NEVER, interest

TICK_NS = 100_000_000
WATCH = -1
"""In the place of a descriptor: this conversation goes on by the clock alone."""

clock = time.perf_counter_ns


class Load:
    """The work, the connections, and what was written down of every request."""

    def __init__(self, work: dict[str, Any]) -> None:
        self.work = work
        self.pairs = request_pairs(work)
        self.patience_ns = int(work["patience_s"] * 1e9)
        self.connection, self.due, self.sent, self.answered = array("i"), array("q"), array("q"), array("q")
        self.errors: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.stopped = self.quiet = False
        self.interest = interest(work["spin"])
        self.idle: list[socket.socket] = []
        self.sockets: dict[int, socket.socket] = {}
        self.conversations: dict[int, Conversation] = {}
        self.timers: list[tuple[int, int]] = []
        self.stop_ns = self.drop_ns = NEVER
        self.cpu_ns = self.start_ns = self.moved_ns = self.woke_ns = self.end_ns = self.seen = 0

    def connect(self) -> None:
        """Open every connection, idle ones first, one after the other."""
        opened: list[socket.socket] = []
        wanted = self.work["idle"] + self.work["connections"]
        try:
            for _ in range(wanted):
                opened.append(open_connection(self.work["address"], self.work["patience_s"]))
        except OSError as error:
            host, port = self.work["address"]
            raise ConnectionError(
                f"connection {len(opened) + 1} of {wanted} to {host}:{port} failed: {error}"
            ) from None
        self.idle = opened[: self.work["idle"]]
        for index, connection in enumerate(opened[self.work["idle"] :]):
            self.sockets[connection.fileno()] = connection
            self.conversations[connection.fileno()] = converse(self, index, connection)

    def run(self) -> None:
        """Hold all conversations until they end, or until nothing moves for patience_s."""
        self.begin()
        wait, timers, resume = self.interest.wait, self.timers, self.resume
        while self.sockets:
            ready = wait(timers[0][0])
            self.woke_ns = clock()
            for descriptor, _ in ready:
                resume(descriptor)
            while timers and timers[0][0] <= clock():
                resume(heappop(timers)[1])
        self.end_ns = clock()
        self.cpu_ns = time.process_time_ns() - self.cpu_ns - self.interest.idle_ns

    def begin(self) -> None:
        """Start the clock, watch the connections and the parent, and let every conversation begin."""
        self.cpu_ns = time.process_time_ns()
        self.start_ns = self.moved_ns = self.woke_ns = clock()
        if self.work["seconds"] is not None:
            self.stop_ns = self.start_ns + int((self.work["warm_up_s"] + self.work["seconds"]) * 1e9)
            self.drop_ns = self.stop_ns + self.patience_ns
        for descriptor in self.sockets:
            self.interest.register(descriptor, select.POLLIN)
        self.timers += [(self.start_ns, descriptor) for descriptor in self.conversations]
        self.conversations[CONTROL] = self.obey()
        self.interest.register(CONTROL, select.POLLIN)
        self.conversations[WATCH] = self.watch()
        self.timers.append((self.start_ns, WATCH))
        if self.interest.timer is not None:
            self.conversations[self.interest.timer] = repeat(WAIT)

    def resume(self, descriptor: int) -> None:
        """Let a conversation go on until it waits again, or ends."""
        try:
            due_ns = next(self.conversations[descriptor])
            if due_ns:
                heappush(self.timers, (due_ns, descriptor))
        except KeyError:  # its timer is due, or it is ready, but it has ended
            pass
        except (StopIteration, OSError, WrongReply) as end:
            self.ended(descriptor, end)

    def ended(self, descriptor: int, end: Exception) -> None:
        """Close a connection whose conversation is over, and count how it ended."""
        del self.conversations[descriptor]
        self.sockets.pop(descriptor).close()
        if not isinstance(end, StopIteration):
            self.count(KINDS.get(type(end), type(end).__name__), str(end))

    def count(self, kind: str, example: str) -> None:
        """Count something that went wrong, and keep the first of its kind in words."""
        self.errors[kind] += 1
        self.examples.setdefault(kind, example)

    def watch(self) -> Conversation:
        """Report progress at every tick, and give up on replies that do not come."""
        while True:
            yield clock() + TICK_NS
            self.tick(clock())

    def tick(self, now_ns: int) -> None:
        """Say how far the work is, and close all connections where nothing has moved for long."""
        if len(self.answered) != self.seen:
            self.seen, self.moved_ns = len(self.answered), now_ns
        if not self.quiet:
            say(tick={"done": self.done(now_ns), "requests": self.seen, "errors": sum(self.errors.values())})
        if now_ns - self.moved_ns > self.patience_ns and not self.timers:
            for descriptor in list(self.sockets):
                self.ended(descriptor, TimeoutError(f"no reply in {self.work['patience_s']:g} s"))

    def done(self, now_ns: int) -> float:
        """Return the share of the work that is done."""
        if self.stop_ns < NEVER:
            return min(1.0, (now_ns - self.start_ns) / (self.stop_ns - self.start_ns))
        return float(self.seen / self.work["requests"])

    def obey(self) -> Conversation:
        """Stop when the parent closes our standard input, or says anything more."""
        yield WAIT
        self.stopped = True
        self.sockets.clear()
        self.conversations.clear()  # some may be ready in this very round
        yield WAIT

    def columns(self) -> Iterator[tuple[str, "array[int]"]]:
        """Yield what was written down, by name: an entry a request."""
        yield from (
            ("connection", self.connection),
            ("due", self.due),
            ("sent", self.sent),
            ("answered", self.answered),
        )


def open_connection(address: list[Any], patience_s: float) -> socket.socket:
    """Return a connection that does not wait, and sends at once (`tcp(7)`, TCP_NODELAY)."""
    connection = socket.create_connection(tuple(address), patience_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    return connection
