"""A confined process: an answer runs in it, and it is watched, and ended together with all that it started.

Theory of operation

An answer may fork, ignore signals, fill the memory, and write without end. So nothing is asked of it: what is known of
it comes from /proc (`watch`), and each confined process has two threads on the judge's side. One reads its output,
always, so that a full pipe stops nobody, and keeps the last SAYS_BYTES of it for the sentence on how it ended. The
other one looks every WARDEN_LOOK_S whether process and descendants together take too much: limits of the kernel
(`getrlimit(2)`) count each process alone, and the number of processes not at all for root.

Leaving the `with` block ends it: first its process group, which nobody can leave (`setsid` and `setpgid` are denied)
and which is there even if its leader has ended; then whoever is still its descendant; then its status is fetched, since
an unfetched one would hold the number of the process.
"""

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from iolab.exercises.protocol import Launch
from iolab.exercises.sandbox import watch
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
"""How much of the output is kept; nothing in it is believed."""

WARDEN_LOOK_S = 0.05


class Confined:
    """A process that runs an answer; leaving the `with` block ends it and its descendants.

    `launch` makes its message from the folder that is its own.
    """

    def __init__(self, launch: Callable[[str], Launch], descriptor: int) -> None:
        self._launch, self._descriptor = launch, descriptor
        self._stack = contextlib.ExitStack()
        self._verdict, self._output = "", b""

    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process.poll() is None

    def wait_for_end(self) -> int:
        """Wait until the process ends by itself, and return its status."""
        return self._process.wait()

    def describe_end(self) -> str:
        """Say how the process ended, in a half sentence."""
        status = self._process.wait()
        if self._verdict:
            return self._verdict
        if status < 0:
            return f"it was killed by {signal.Signals(-status).name}"
        self._reader.join(1)
        last = [line.strip() for line in self._output.decode(errors="replace").splitlines() if line.strip()]
        return f"it exited with status {status}" + (f" ({last[-1][:120]})" if status and last else "")

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="iolab-", ignore_cleanup_errors=True))
        read_end, write_end = os.pipe()
        try:
            self._process = fork_server().fork(self._launch(folder), self._descriptor, write_end)
        finally:
            os.close(write_end)
        self.pid = self._process.pid
        self._over = threading.Event()
        self._reader = threads.start(threading.Thread(target=self._read, args=(read_end,), daemon=True))
        self._warden = threads.start(threading.Thread(target=self._guard, daemon=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._warden.join()
        self._end()
        self._process.wait()
        self._stack.close()

    def _read(self, read_end: int) -> None:
        with open(read_end, "rb", buffering=0) as pipe:
            while chunk := pipe.read(1 << 16):
                self._output = (self._output + chunk)[-SAYS_BYTES:]

    def _guard(self) -> None:
        while not self._over.wait(WARDEN_LOOK_S):
            resident, count = watch.measure_resident_bytes(self.pid), len(watch.list_family(self.pid))
            if resident > RESIDENT_BYTES or count > PROCESSES:
                self._verdict = f"the judge ended it because it had {count} processes and {resident // MIB} MiB"
                self._end()
                return

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pid in watch.list_family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
