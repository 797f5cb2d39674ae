"""Stand-ins for I/O that completes: the requests, the wait, and what was done by its end.

What the kernel, or the C library, receives and sends for a server is no call of the
server's. Its result is recorded as `received` or `sent`, at the moment in which the server
learns of it.
"""

from typing import Any

from iolab.kernel import aio
from iolab.kernel.ring import RECEIVE, SEND, Completion, Ring
from iolab.trace.recorder import Recorder


def stand_ins(recorder: Recorder) -> list[tuple[Any, Any]]:
    """Return what takes the place of the requests of `aio(7)` and of a ring."""
    return [
        (aio.Requests, lambda: RecordingRequests(recorder)),
        (Ring, lambda buffer_bytes: RecordingRing(recorder, buffer_bytes)),
    ]


class RecordingRequests(aio.Requests):
    """Requests of the C library that record when they are made, the waits for them, and their results."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._writing: set[int] = set()

    def read(self, descriptor: int, size_bytes: int) -> None:
        """Ask for bytes, and record the call."""
        with self._recorder.log_call("aio_read", descriptor):
            super().read(descriptor, size_bytes)

    def write(self, descriptor: int, data: bytes) -> None:
        """Ask for bytes to be sent, and record the call."""
        with self._recorder.log_call("aio_write", descriptor):
            super().write(descriptor, data)
        self._writing.add(descriptor)

    def wait(self) -> list[tuple[int, int, bytes]]:
        """Wait, and record it with the look at every request that follows, which is part of its cost."""
        start_ns = self._recorder.clock()
        results = super().wait()
        self._recorder.log_wait("aio_suspend", start_ns, len(results))
        for descriptor, result, _ in results:
            name = "sent" if descriptor in self._writing else "received"
            self._writing.discard(descriptor)
            self._recorder.log_completion(name, descriptor, result)
        return results


class RecordingRing(Ring):
    """A ring that records each of its system calls, with how many orders it handed over, and what each brought."""

    def __init__(self, recorder: Recorder, buffer_bytes: int) -> None:
        self._recorder = recorder
        super().__init__(buffer_bytes)

    def enter(self, orders: int, wait_for: int) -> int:
        """Enter the kernel, and record it: as a wait only if it may sleep."""
        start_ns = self._recorder.clock()
        count = super().enter(orders, wait_for)
        self._recorder.log_wait("io_uring_enter" if wait_for else "io_uring_submit", start_ns, count)
        return count

    def harvest(self, silent: dict[int, tuple[int, bytes]]) -> list[Completion]:
        """Collect what is done; what was sent in silence is recorded as if its success had been told."""
        done = super().harvest(silent)
        spoke = {descriptor for operation, descriptor, *_ in done if operation == SEND}
        for descriptor, (_, data) in silent.items():
            if descriptor not in spoke:
                self._recorder.log_completion("sent", descriptor, len(data))
        for operation, descriptor, result, *_ in done:
            if operation in (SEND, RECEIVE):
                self._recorder.log_completion("sent" if operation == SEND else "received", descriptor, result)
        return done
