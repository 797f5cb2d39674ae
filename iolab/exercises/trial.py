"""A trial: an answer that serves, in a process of its own, on a socket of the judge's; and what can be seen of it."""

import os
import random
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from iolab.exercises.protocol import ServerLaunch, reply
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import LIMITS, Confined
from iolab.listening import listen
from iolab.traffic import faults

BUFFER_BYTES = 32 * 1024
"""Send and receive buffer of a connection in the kernel: small, so that a partial send comes early."""

CLIENT_WAITS_FOR_BUSY_SERVER_S = 6.0
"""A server that does something, but not what is due, has so long."""


class Trial(Confined):
    """A server of the learner's, on a socket of the judge's."""

    patience_s = CLIENT_WAITS_FOR_BUSY_SERVER_S

    def __init__(
        self,
        answer: str,
        entry: str,
        draw: random.Random,
        *,
        factor: int = 1,
        pace_ms: int = 0,
        table: bytes = b"",
        limits: Mapping[str, int] | None = None,
        notes: bool = False,
    ) -> None:
        self.draw = draw
        self.table = table or draw_derangement(draw)
        self.factor = factor
        self.listening = listen()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.listening.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)  # accepted sockets inherit it
        self.address: faults.Address = self.listening.getsockname()[:2]
        self.limits = granted = LIMITS | dict(limits or {})
        super().__init__(
            lambda folder: ServerLaunch(answer, entry, folder, granted, self.table.hex(), factor, pace_ms, notes),
            self.listening.fileno(),
            self.address[1],
        )
        self._stack.enter_context(self.listening)

    def due(self, request: bytes) -> bytes:
        """Return the reply that is due to a request."""
        return reply(request, self.table, self.factor)

    def read_motion(self) -> tuple[int, int] | None:
        """Return what changes while the process does anything; None if it runs, or waits for a CPU, right now."""
        calls = watch.list_calls(self.pid)
        return None if None in calls else (len(calls), watch.measure_cpu_ns(self.pid))

    def list_calls(self) -> list[str]:
        """Return the names of the calls that its threads sleep in now, in any order."""
        return [call.name for call in watch.list_calls(self.pid) if call]

    def count_threads(self) -> int:
        """Return the number of its threads, with those of its descendants."""
        return sum(len(watch.list_threads(each)) for each in watch.list_family(self.pid))

    def measure_cpu_share(self, seconds: float) -> float:
        """Return how much of one CPU it uses in the next seconds."""
        before_ns, start_ns = watch.measure_cpu_ns(self.pid), time.perf_counter_ns()
        time.sleep(seconds)
        return (watch.measure_cpu_ns(self.pid) - before_ns) / (time.perf_counter_ns() - start_ns)

    @contextmanager
    def pause(self, pid: int = 0) -> Iterator[None]:
        """Stop the process, or another one of its family, for a block (SIGSTOP): its kernel goes on, it does not."""
        os.kill(pid or self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # it was killed meanwhile
                os.kill(pid or self.pid, signal.SIGCONT)


def draw_derangement(draw: random.Random) -> bytes:
    """Return a table in which every byte stands for another one, drawn at random."""
    numbers = list(range(256))
    draw.shuffle(numbers)
    table = bytearray(256)
    for number, following in zip(numbers, numbers[1:] + numbers[:1], strict=True):
        table[number] = following
    return bytes(table)
