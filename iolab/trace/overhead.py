"""What recording costs: the same exchange over connections that record and connections that do not."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

from iolab.listening import RECEIVE_BYTES, ListeningSocket, listen
from iolab.trace.recorder import Recorder

ROUNDS, EXCHANGES = 60, 20
CALLS = 2 * EXCHANGES
"""Recorded calls of a round: each exchange has a `recv` and a `send`."""


def cost_ns_per_call() -> int:
    """Return what recording adds to a `recv` or `send` on this machine, in ns: a difference of medians.

    Plain and recorded rounds take turns, so that what the machine does meanwhile falls on both.
    It takes 30 ms.
    """
    recorder = Recorder()
    with ExitStack() as stack:
        plain, recording = (exchange(stack, listening) for listening in (listen(), recorder.listen()))
        rounds = [(round_ns(plain), round_ns(recording)) for _ in range(ROUNDS)]
    plain_ns, recording_ns = (float(median(column)) for column in zip(*rounds, strict=True))
    return round((recording_ns - plain_ns) / CALLS)


def exchange(stack: ExitStack, listening: ListeningSocket) -> Callable[[], None]:
    """Return a function that sends a request to a connection of this socket, and its reply back."""
    with listening:
        peer = stack.enter_context(socket.create_connection(listening.getsockname()))
        connection = stack.enter_context(listening.accept()[0])
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def once() -> None:
        peer.send(b"a" * 64)
        connection.send(connection.recv(RECEIVE_BYTES))
        peer.recv(RECEIVE_BYTES)

    return once


def round_ns(once: Callable[[], None]) -> int:
    """Return how long a round of exchanges takes."""
    start_ns = time.perf_counter_ns()
    for _ in range(EXCHANGES):
        once()
    return time.perf_counter_ns() - start_ns
