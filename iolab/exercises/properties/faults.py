"""Properties of a server whose clients misbehave: nobody else notices, and nothing is lost or kept."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from iolab.exercises.peers import Patience, Peer, Violated
from iolab.exercises.properties.wire import ask_line, draw_line
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial
from iolab.kernel import threads

GROWTH_BYTES = 16 * MIB
"""How much memory may be added while one client does not read; a right server adds less than 2 MiB."""

FLOOD_BYTES = 40 * MIB
"""A server that has taken so much from a client that reads nothing takes all there is."""

PACE_MS, MOST_TURNS = 4, 200
"""What a call of `respond` costs where one client always has more to ask, and how often that one may come first."""

AHEAD_BYTES = 1 << 18
"""How much of what such a client has asked the kernel may hold for the server, and for the client."""

QUIET_LOOKS = 10
"""Looks at a server that takes nothing, 0.1 s apart, before it counts as one that takes no more."""


@contextmanager
def connect_slow_reader(trial: Trial) -> Iterator[tuple[Peer, bytes]]:
    """Yield a client that asked and does not read, and the megabytes due to it, which the server has begun to send."""
    request = trial.draw.randbytes(trial.draw.randrange(6_000, 8_000))
    with Peer(trial, narrow=True) as peer:
        peer.send(request)
        time.sleep(0.1)
        yield peer, trial.due(request)


def check_others(trial: Trial) -> str:
    """Answer others while a slow reader does not read."""
    with Peer(trial) as before:
        ask_line(trial, before)
        with connect_slow_reader(trial) as (peer, due):
            for _ in range(3):
                ask_line(trial, before, "a client that asked while another one was not reading its reply")
                with Peer(trial) as late:
                    ask_line(trial, late, "a client that connected while another one was not reading its reply")
            peer.expect(due[:1000], "the slow reader, which began to read at last,")
    return f"others were answered while a client did not read the {len(due):,} bytes owed to it"


def check_turns(trial: Trial) -> None:
    """Serve others while one client always has more to ask."""
    with Peer(trial) as bystander:
        ask_line(trial, bystander)
        with Greedy(trial) as greedy:
            for who, peer in (("connected before", bystander), ("connected meanwhile", Peer(trial))):
                with peer:
                    greedy.expect_turn_of(peer, draw_line(trial), f"a client that {who}")


class Greedy:
    """A client that always has more to ask, and reads all of its replies; it counts how often it was served."""

    def __init__(self, trial: Trial) -> None:
        self._trial, self._over = trial, threading.Event()
        # What it has asked must not run out, however little the server receives at once, or others come by that.
        trial.listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, AHEAD_BYTES)
        self.peer = Peer(trial)
        self._turns = 0
        self._thread = threads.start(threading.Thread(target=self._ask_on, daemon=True))

    def _ask_on(self) -> None:
        connection, block, last_s = self.peer.connection, bytes(1 << 16), 0.0
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, AHEAD_BYTES)
        while not self._over.wait(0.001):
            with suppress(OSError):
                while connection.send(block):
                    pass
            with suppress(OSError):
                while connection.recv(1 << 18):
                    now_s = time.monotonic()
                    self._turns += now_s - last_s > PACE_MS / 2000  # what is in pieces is one reply
                    last_s = now_s

    def expect_turn_of(self, peer: Peer, request: bytes, who: str) -> None:
        """Raise Violated if this client is served again and again, and another one is not."""
        before, ready, patience = self._turns, select.poll(), Patience(self._trial)
        peer.send(request)
        ready.register(peer.connection, select.POLLIN)
        while not ready.poll(10) and not patience.over():
            if self._turns - before > MOST_TURNS:
                raise Violated(
                    f"a client that always had more to ask was served more than {MOST_TURNS} times while {who} waited "
                    "for its first reply; receive once, and see who else is ready"
                )
        peer.expect(self._trial.due(request), f"{who}, while another one always had more to ask,")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.peer.connection.close()


def check_overflow(trial: Trial) -> str:
    """Miss nobody when more became ready at once than there is room for in the queue of signals."""
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(trial)) for _ in range(40)]
        for peer in peers:
            ask_line(trial, peer)
        for _ in range(3):
            requests = [draw_line(trial) for _ in peers]
            with trial.pause():
                for peer, request in zip(peers, requests, strict=True):
                    peer.send(request)
                late = stack.enter_context(Peer(trial))
            who = f"one of {len(peers)} clients that asked while the server could take no signals"
            for peer, request in zip(peers, requests, strict=True):
                peer.expect(trial.due(request), who)
            ask_line(trial, late, "a client that connected while the queue of signals was full")
    return f"three times {len(peers)} clients asked at once, and all were answered"


def check_memory(trial: Trial) -> str:
    """Stop reading from a client that does not read, so that what is owed to it stays bounded."""
    with Peer(trial) as first:
        ask_line(trial, first)
    before = watch.measure_largest_bytes(trial.pid)
    with Peer(trial, narrow=True) as peer:
        taken = _flood(trial, peer)
        grown = _measure_growth(trial, before)
        if grown > GROWTH_BYTES:
            raise Violated(
                f"the server read {taken:,} bytes of requests from a client that read no replies, and its memory grew "
                f"by {grown / MIB:.0f} MiB; stop reading from a client while you owe it bytes"
            )
        with Peer(trial) as late:
            ask_line(trial, late, "a client that connected after the flood")
        peer.receive(1 << 16)
    return "a client asked for megabytes and read nothing: the server stopped reading from it"


def _measure_growth(trial: Trial, before: int) -> int:
    """Return by how much its memory has grown once it has dealt with what it read."""
    for _ in range(25):
        grown = watch.measure_largest_bytes(trial.pid) - before
        if grown > GROWTH_BYTES or trial.read_motion():
            break
        time.sleep(0.02)
    return grown


def _flood(trial: Trial, peer: Peer) -> int:
    """Ask without reading until nothing is taken for a while, and return how many bytes were."""
    block, taken, quiet = memoryview(trial.draw.randbytes(1 << 16)), 0, 0
    before = watch.measure_largest_bytes(trial.pid)
    while taken < FLOOD_BYTES and quiet < QUIET_LOOKS:
        if watch.measure_largest_bytes(trial.pid) - before > GROWTH_BYTES:
            break
        try:
            taken += peer.connection.send(block)
            quiet = 0
        except TimeoutError:
            quiet += 1 if trial.read_motion() is None else 3  # at work, or kept from the CPU; or it sleeps
        except OSError:
            raise Violated("the server closed the connection of a client that was slow to read") from None
    return taken


def expect_no_more_descriptors(trial: Trial, before: int, clients: int) -> None:
    """Raise Violated unless the descriptors of all clients that have left are closed, now or soon."""
    patience = Patience(trial)
    while (count := watch.count_descriptors(trial.pid)) > before:
        if patience.over():
            raise Violated(f"{clients} clients connected and left, and {count - before} descriptors were never closed")
        time.sleep(0.01)
