"""Properties of a server whose clients misbehave: nobody else notices, and nothing is lost or kept."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from iolab.exercises.peers import Patience, Peer, Violated
from iolab.exercises.properties.wire import ask_line, draw_line
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial

GROWTH_BYTES = 16 * MIB
"""How much memory may be added while one client does not read; a right server adds less than 2 MiB."""

FLOOD_BYTES = 40 * MIB
"""A server that has taken so much from a client that reads nothing takes all there is."""

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
