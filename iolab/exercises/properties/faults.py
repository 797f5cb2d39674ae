"""Properties of a server whose clients misbehave: nobody else notices, and nothing is lost or kept."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from iolab.exercises.peers import Patience, Peer, Violated
from iolab.exercises.properties.wire import ask_line, draw_line
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial
from iolab.traffic import faults

GROWTH_BYTES = 16 * MIB
"""How much memory may be added while one client does not read; a right server adds less than 2 MiB."""

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


def check_resets(trial: Trial) -> str:
    """Go on when clients reset their connections: in mid request, while owed bytes, and before `accept`."""
    who = "a client that did not reset"
    with Peer(trial) as bystander:
        ask_line(trial, bystander)
        for _ in range(5):
            faults.reset_midway(trial.address, draw_line(trial))
        ask_line(trial, bystander, who)
        with trial.pause():
            for _ in range(5):
                faults.reset_midway(trial.address, draw_line(trial))
            faults.connect_and_close(trial.address, 3)
        ask_line(trial, bystander, who)
        for _ in range(3):
            with connect_slow_reader(trial) as (peer, _):
                peer.reset()
            faults.reset_together(trial.address, 5, draw_line(trial))
        ask_line(trial, bystander, who)
        with Peer(trial) as late:
            ask_line(trial, late, "a client that connected after the resets")
    return "28 connections were reset, and the other clients did not notice"


def check_slow_reader(trial: Trial) -> str:
    """Lose nothing of what is owed to a slow reader."""
    with connect_slow_reader(trial) as (peer, due):
        third = len(due) // 3
        peer.expect(due[:3000], "the slow reader", bite_bytes=500)
        time.sleep(0.05)
        peer.expect(due[3000:third], "the slow reader")
        time.sleep(0.05)
        peer.expect(due[third:], "the slow reader")
        ask_line(trial, peer, "the slow reader, which then asked again,")
    return f"a slow reader received all of its {len(due):,} bytes"


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
    before = watch.measure_resident_bytes(trial.pid)
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
        grown = watch.measure_resident_bytes(trial.pid) - before
        if grown > GROWTH_BYTES or trial.read_motion():
            break
        time.sleep(0.02)
    return grown


def _flood(trial: Trial, peer: Peer) -> int:
    """Ask without reading until nothing is taken for a while, and return how many bytes were."""
    block, taken, quiet = memoryview(trial.draw.randbytes(1 << 16)), 0, 0
    while taken < 4 * MIB and quiet < QUIET_LOOKS:
        try:
            taken += peer.connection.send(block)
            quiet = 0
        except TimeoutError:
            quiet += 1 if trial.read_motion() is None else 3  # at work, or kept from the CPU; or it sleeps
        except OSError:
            raise Violated("the server closed the connection of a client that was slow to read") from None
    return taken


def check_descriptors(trial: Trial) -> str:
    """Give back the descriptor of every client that has left."""
    with Peer(trial) as staying:
        ask_line(trial, staying)
        before = watch.count_descriptors(trial.pid)
        for _ in range(20):
            with Peer(trial) as peer:
                ask_line(trial, peer)
        faults.connect_and_close(trial.address, 20)
        faults.reset_together(trial.address, 20, draw_line(trial))
        ask_line(trial, staying, "a client that stayed while 60 others connected and left")
        expect_no_more_descriptors(trial, before, 60)
    return "60 clients connected and left, and every descriptor was closed"


def expect_no_more_descriptors(trial: Trial, before: int, clients: int) -> None:
    """Raise Violated unless the descriptors of all clients that have left are closed, now or soon."""
    patience = Patience(trial)
    while (count := watch.count_descriptors(trial.pid)) > before:
        if patience.over():
            raise Violated(f"{clients} clients connected and left, and {count - before} descriptors were never closed")
        time.sleep(0.01)
