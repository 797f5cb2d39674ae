"""A small load for a server under the eye of strace: connections that each ask, wait for the reply, and ask again.

It need not be fast, for a traced server is not. It begins with one request on each connection, is silent for a while,
which shows what the server does when nobody asks, and then asks until the time is over; every connection is closed and
opened anew after some requests, so that the server accepts, and closes, while it is watched.
"""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from iolab.xrays.protocols import Protocol

REOPENS_AFTER = 20
"""Requests of a connection, after which it is closed and another opened."""

FIRST_REPLY_S = 10.0
TICK_MS = 50
Tick = Callable[[], None]


@dataclass
class Talk:
    """One connection: what came of the reply so far, and when it was asked for."""

    peer: socket.socket
    reply: bytearray = field(default_factory=bytearray)
    sent_ns: int = 0
    requests: int = 0


class Exchange(NamedTuple):
    """A request with its reply: from which port, when it was sent and answered, and how long the reply was."""

    port: int
    sent_ns: int
    answered_ns: int
    reply_bytes: int


@dataclass
class Load:
    """A closed loop of connections to an address; its exchanges, and how many replies were not right."""

    address: tuple[str, int]
    protocol: Protocol
    connections: int
    exchanges: list[Exchange] = field(default_factory=list)
    connected_ns: dict[int, int] = field(default_factory=dict)
    """When the connection from each port was opened."""
    wrong: int = 0
    unanswered: int = 0
    _talks: dict[int, Talk] = field(default_factory=dict)

    @property
    def median_us(self) -> float | None:
        """The median latency, in microseconds."""
        times_ns = [each.answered_ns - each.sent_ns for each in self.exchanges]
        return median(times_ns) / 1e3 if times_ns else None

    def open(self) -> None:
        """Open all connections."""
        while len(self._talks) < self.connections and self._open():
            pass

    def ask_once(self, seconds: float, on_tick: Tick) -> None:
        """Send one request on each connection, and wait for all replies for so long; for the first one longer."""
        self._run(time.monotonic() + seconds, on_tick, once=True)
        if not self.exchanges:
            self._run(time.monotonic() + FIRST_REPLY_S, on_tick, once=True)

    def run(self, seconds: float, on_tick: Tick) -> None:
        """Ask for so long."""
        self._run(time.monotonic() + seconds, on_tick, once=False)

    def close(self) -> None:
        """Close all connections."""
        self.unanswered = sum(bool(talk.sent_ns) for talk in self._talks.values())
        for talk in self._talks.values():
            talk.peer.close()
        self._talks.clear()

    def _open(self) -> bool:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        peer = socket.socket(family, socket.SOCK_STREAM)
        at_ns = time.time_ns()
        try:
            peer.settimeout(1)
            peer.connect(self.address)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            peer.close()
            return False
        self._talks[peer.fileno()] = Talk(peer)
        self.connected_ns[peer.getsockname()[1]] = at_ns
        return True

    def _run(self, until_s: float, on_tick: Tick, *, once: bool) -> None:
        for talk in list(self._talks.values()):
            if not talk.sent_ns:
                self._ask(talk)
        while time.monotonic() < until_s and self._talks:
            if once and self.exchanges and not any(each.sent_ns for each in self._talks.values()):
                return
            interest = select.poll()
            for descriptor in self._talks:
                interest.register(descriptor, select.POLLIN)
            for descriptor, _ in interest.poll(TICK_MS):
                if ready := self._talks.get(descriptor):
                    self._receive(ready, once)
            on_tick()

    def _ask(self, talk: Talk) -> None:
        talk.reply.clear()
        talk.sent_ns = time.time_ns()  # the clock that strace writes down
        with suppress(OSError):  # the end of the connection is seen when it is read
            talk.peer.sendall(self.protocol.request)

    def _receive(self, talk: Talk, once: bool) -> None:
        try:
            part = talk.peer.recv(1 << 16)
        except OSError:
            part = b""
        talk.reply += part
        if part and not self.protocol.is_whole(bytes(talk.reply)):
            return
        if talk.sent_ns and talk.reply:
            self._note(talk)
        if not part or (talk.requests >= REOPENS_AFTER and not once):
            self._reopen(talk, once)
        elif not once:
            self._ask(talk)

    def _note(self, talk: Talk) -> None:
        port = talk.peer.getsockname()[1]
        self.exchanges.append(Exchange(port, talk.sent_ns, time.time_ns(), len(talk.reply)))
        self.wrong += self.protocol.expect is not None and bytes(talk.reply) != self.protocol.expect
        talk.sent_ns, talk.requests = 0, talk.requests + 1

    def _reopen(self, talk: Talk, once: bool) -> None:
        self._talks.pop(talk.peer.fileno(), None)
        talk.peer.close()
        before = set(self._talks)
        if self._open() and not once:
            self._ask(self._talks[(set(self._talks) - before).pop()])
