"""Properties of a server whose clients misbehave: nobody else notices, and nothing is lost or kept."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.wire import converse, line
from iolab.exercises.sandbox import watch as outside
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial
from iolab.traffic import faults

GROWTH_BYTES = 16 * MIB
"""How much memory may be added while one client does not read; a right server adds less than 2 MiB."""

QUIET_LOOKS = 10
"""Looks at a server that takes nothing, 0.1 s apart, before it counts as one that takes no more."""


@contextmanager
def slow_reader(trial: Trial) -> Iterator[tuple[Peer, bytes]]:
    """Yield a client that asked and does not read, and the megabytes that are due to it; the server is at them."""
    request = trial.draw.randbytes(trial.draw.randrange(6_000, 8_000))
    with trial.peer(narrow=True) as peer:
        peer.send(request)
        time.sleep(0.1)
        yield peer, trial.due(request)


def resets(trial: Trial) -> str:
    """Go on when clients reset their connections: in mid request, while owed bytes, and before `accept`."""
    who = "a client that has nothing to do with others' resets"
    with trial.peer() as bystander:
        converse(trial, bystander)
        for _ in range(5):
            faults.reset_midway(trial.address, line(trial))
        converse(trial, bystander, who)
        with trial.stopped():
            for _ in range(5):
                faults.reset_midway(trial.address, line(trial))
            faults.connect_and_close(trial.address, 3)
        converse(trial, bystander, who)
        for _ in range(3):
            with slow_reader(trial) as (peer, _):
                peer.reset()
            faults.reset_together(trial.address, 5, line(trial))
        converse(trial, bystander, who)
        with trial.peer() as late:
            converse(trial, late, "a client that came after others' resets")
    return "28 connections were reset, and others did not notice"


def slow_bytes(trial: Trial) -> str:
    """Lose nothing of what is owed to a slow reader."""
    with slow_reader(trial) as (peer, due):
        third = len(due) // 3
        peer.expect(due[:3000], "the slow reader", bite_bytes=500)
        time.sleep(0.05)
        peer.expect(due[3000:third], "the slow reader")
        time.sleep(0.05)
        peer.expect(due[third:], "the slow reader")
        converse(trial, peer, "the slow reader, which asks again")
    return f"{len(due):,} bytes came to a slow reader, none of them lost"


def others(trial: Trial) -> str:
    """Answer others while a slow reader does not read."""
    with trial.peer() as before:
        converse(trial, before)
        with slow_reader(trial) as (peer, due):
            for _ in range(3):
                converse(trial, before, "a client, while another one does not read its reply")
                with trial.peer() as late:
                    converse(trial, late, "a client that comes while another one does not read its reply")
            peer.expect(due[:1000], "the slow reader, in the end")
    return f"others were answered while {len(due):,} bytes were owed to one who did not read"


def overflow(trial: Trial) -> str:
    """Miss nobody when more became ready at once than there is room for in the queue of signals."""
    with ExitStack() as stack:
        peers = [stack.enter_context(trial.peer()) for _ in range(40)]
        for peer in peers:
            converse(trial, peer)
        for _ in range(3):
            requests = [line(trial) for _ in peers]
            with trial.stopped():
                for peer, request in zip(peers, requests, strict=True):
                    peer.send(request)
                late = stack.enter_context(trial.peer())
            who = f"one of {len(peers)} clients that asked while the server could take no signal"
            for peer, request in zip(peers, requests, strict=True):
                peer.expect(trial.due(request), who)
            converse(trial, late, "a client that came while the queue of signals was full")
    return f"{len(peers)} clients asked at once, three times, and none was missed"


def memory(trial: Trial) -> str:
    """Stop reading from a client that does not read, so that what is owed to it stays bounded."""
    with trial.peer() as first:
        converse(trial, first)
    before = outside.resident_bytes(trial.pid)
    with trial.peer(narrow=True) as peer:
        taken = _flood(trial, peer)
        grown = _grown(trial, before)
        if grown > GROWTH_BYTES:
            raise Violated(
                f"it read {taken:,} bytes of requests from a client that read no reply, and its memory grew by "
                f"{grown / MIB:.0f} MiB; while bytes are owed to a client, read no more of it"
            )
        with trial.peer() as late:
            converse(trial, late, "a client that comes after the flood")
        peer.receive(1 << 16)
    return "a client asked for megabytes and read nothing: the server stopped reading it"


def _grown(trial: Trial, before: int) -> int:
    """Return by how much its memory has grown, when it is done with what it has read."""
    for _ in range(25):
        grown = outside.resident_bytes(trial.pid) - before
        if grown > GROWTH_BYTES or trial.motion():
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
            quiet += 1 if trial.motion() is None else 3  # at work, or kept from the CPU; or it sleeps
        except OSError:
            raise Violated("it closed the connection of a client that was slow to read") from None
    return taken


def descriptors(trial: Trial) -> str:
    """Give back the descriptor of every client that has left."""
    with trial.peer() as staying:
        converse(trial, staying)
        before = outside.descriptors(trial.pid)
        for _ in range(20):
            with trial.peer() as peer:
                converse(trial, peer)
        faults.connect_and_close(trial.address, 20)
        faults.reset_together(trial.address, 20, line(trial))
        converse(trial, staying, "a client that stays while 60 others come and go")
        patience = trial.patience()
        while (held := outside.descriptors(trial.pid)) > before:
            if patience.over():
                raise Violated(
                    f"60 clients have come and gone, and {held - before} descriptors more are open than before"
                )
            time.sleep(0.01)
    return "60 clients came and went, and no descriptor was left"
