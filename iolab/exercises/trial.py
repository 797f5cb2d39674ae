"""A trial: the learner's function in a process of its own, clients at its socket, and a watch from outside."""

import os
import random
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from iolab.exercises.peers import Patience, Peer
from iolab.exercises.sandbox import watch as outside
from iolab.exercises.sandbox.confined import Confined
from iolab.listening import listen
from iolab.traffic import faults

BUFFER_BYTES = 32 * 1024
"""Send and receive buffer of a connection in the kernel: small, so that a partial send comes early."""


ENDS_S = 3.0
"""A process that is about to end may sleep in the kernel for longer than one that serves."""


class Trial(Confined):
    """A server of the learner's, on a socket of the judge's."""

    def __init__(
        self,
        text: str,
        entry: str,
        draw: random.Random,
        *,
        factor: int = 1,
        table: bytes = b"",
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.draw = draw
        self.table = table or derangement(draw)
        self.factor = factor
        self.listening = listen()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.listening.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)  # accepted sockets inherit it
        self.address: faults.Address = self.listening.getsockname()[:2]
        super().__init__(
            text, entry, self.listening.fileno(), dict(limits or {}), table=self.table.hex(), factor=factor
        )
        self._stack.enter_context(self.listening)

    def due(self, request: bytes) -> bytes:
        """Return the reply that is due to a request."""
        reply = request.translate(self.table)
        grown = bytearray(self.factor * len(reply))
        for offset in range(self.factor):
            grown[offset :: self.factor] = reply
        return bytes(grown)

    def peer(self, *, narrow: bool = False) -> Peer:
        """Connect a client; a narrow one takes a reply in hundreds of partial sends."""
        return Peer(self, narrow=narrow)

    def patience(self) -> Patience:
        """Return a wait for this process to do something."""
        return Patience(self)

    def motion(self) -> tuple[int, int] | None:
        """Return what changes while the process does anything; None if it runs, or waits for a CPU, right now."""
        calls = outside.calls(self.pid)
        return None if None in calls else (len(calls), outside.cpu_ns(self.pid))

    def calls(self) -> list[str]:
        """Return the names of the calls that its threads sleep in now, in any order."""
        return [call.name for call in outside.calls(self.pid) if call]

    def threads(self) -> int:
        """Return the number of its threads, with those of its descendants."""
        return sum(len(outside.tasks(each)) for each in outside.family(self.pid))

    def cpu_share(self, seconds: float) -> float:
        """Return how much of one CPU it uses in the next seconds."""
        before_ns, start_ns = outside.cpu_ns(self.pid), time.perf_counter_ns()
        time.sleep(seconds)
        return (outside.cpu_ns(self.pid) - before_ns) / (time.perf_counter_ns() - start_ns)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the process for the length of a block (SIGSTOP): its kernel goes on, it does not."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def wait(self) -> int:
        """Wait until the process ends by itself, and return its status. Raise Violated if it does not."""
        patience = Patience(self, ENDS_S)
        while self.alive():
            patience.sleep()
        return self.wait_for_end()


def derangement(draw: random.Random) -> bytes:
    """Return a table in which every byte stands for another one, drawn at random."""
    numbers = list(range(256))
    draw.shuffle(numbers)
    table = bytearray(256)
    for number, following in zip(numbers, numbers[1:] + numbers[:1], strict=True):
        table[number] = following
    return bytes(table)
