"""A confined process: the learner's text runs in it, and it is watched and ended from outside."""

import contextlib
import os
import signal
import tempfile
import threading
from types import TracebackType
from typing import Any, Self

from iolab.exercises.sandbox import watch as outside
from iolab.exercises.sandbox.forkserver import fork_server
from iolab.kernel import threads

MIB = 1 << 20
LIMITS = {
    "RLIMIT_AS": 4 << 30,  # every thread takes 8 MiB of addresses for its stack
    "RLIMIT_CPU": 20,
    "RLIMIT_NOFILE": 256,
    "RLIMIT_NPROC": 4096,
    "RLIMIT_FSIZE": MIB,
    "RLIMIT_CORE": 0,
}
"""What the process is granted (`getrlimit(2)`)."""

RESIDENT_BYTES, PROCESSES = 1024 * MIB, 64
"""A process that takes more, with its descendants, is ended."""

SAYS_BYTES = 4096
"""How much is kept of what the process says; nothing of it is believed."""


class Confined:
    """A process that runs the learner's text; leaving the `with` block ends it and its descendants."""

    def __init__(self, text: str, entry: str, descriptor: int, limits: dict[str, int], **told: Any) -> None:
        self._descriptor = descriptor
        self._told = told | {
            "text": text,
            "entry": entry,
            "descriptor": descriptor,
            "limits": LIMITS | limits,
            "judge": os.getpid(),
        }
        self._stack = contextlib.ExitStack()
        self._ended_for, self._says = "", b""

    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process.poll() is None

    def wait_for_end(self) -> int:
        """Wait until the process ends by itself, and return its status."""
        return self._process.wait()

    def how_it_ended(self) -> str:
        """Say how the process ended, in a half sentence."""
        status = self._process.wait()
        if self._ended_for:
            return self._ended_for
        if status < 0:
            return f"it was ended by {signal.Signals(-status).name}"
        self._reader.join(1)
        last = [line.strip() for line in self._says.decode(errors="replace").splitlines() if line.strip()]
        return f"it ended with status {status}" + (f" ({last[-1][:120]})" if status and last else "")

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="iolab-", ignore_cleanup_errors=True))
        ear, mouth = os.pipe()
        try:
            self._process = fork_server().fork(self._told | {"folder": folder}, self._descriptor, mouth)
        finally:
            os.close(mouth)
        self.pid = self._process.pid
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(ear,), daemon=True)
        self._warden = threading.Thread(target=self._watch, daemon=True)
        for thread in (self._reader, self._warden):
            threads.start(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._warden.join()
        self._end()
        self._process.wait()
        self._stack.close()

    def _read(self, ear: int) -> None:
        with open(ear, "rb", buffering=0) as pipe:
            while came := pipe.read(1 << 16):
                self._says = (self._says + came)[-SAYS_BYTES:]

    def _watch(self) -> None:
        # The limits count each process alone, and the number of processes not at all for root.
        while not self._over.wait(0.05):
            held, count = outside.resident_bytes(self.pid), len(outside.family(self.pid))
            if held > RESIDENT_BYTES or count > PROCESSES:
                self._ended_for = f"it was ended by the judge: it had {count} processes and {held // MIB} MiB"
                self._end()
                return

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # those too whose parent has ended: none can leave the group
        for pid in outside.family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
