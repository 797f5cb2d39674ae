"""Stand-ins for I/O that completes: the requests, the wait, and what was done by its end.

What the kernel, or the C library, receives and sends for a server is no call of the
server's. Its result is recorded as `received` or `sent`, at the moment in which the server
learns of it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from iolab.kernel import aio, uring
from iolab.trace.recorder import Recorder


def stand_ins(recorder: Recorder) -> list[tuple[Any, Any]]:
    """Return what takes the place of the waits of `aio(7)` and of a ring."""
    return [
        (aio.Requests, lambda: RecordingRequests(recorder)),
        (uring.submit_and_wait, ring_wait(recorder, uring.submit_and_wait)),
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


def ring_wait(recorder: Recorder, wait: Callable[[Any], Iterable[Any]]) -> Callable[[Any], Any]:
    """Return the wait for a ring, recorded with what is done by its end."""

    def wait_and_log(ring: Any) -> Any:
        start_ns = recorder.clock()
        completions = list(wait(ring))
        recorder.log_wait("ring wait", start_ns, len(completions))
        for completion in completions:
            name = completion_name(completion.kind)
            if name:
                recorder.log_completion(name, completion.user_data, completion.res)
        return completions

    return wait_and_log


def completion_name(kind: int) -> str | None:
    """Return what a completion of this kind tells of; None for those that move no bytes."""
    from uring_api import CompletionKind

    name = CompletionKind(kind).name
    return "received" if name.startswith("RECV") else "sent" if name.startswith("SEND") else None
