"""A trial: the learner's function in a process of its own, clients at its socket, and a watch from outside."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from iolab.exercises import outside
from iolab.exercises.peers import Patience, Peer
from iolab.listening import listen
from iolab.load import faults

SCRIPT = Path(__file__).with_name("inside.py")

MIB = 1 << 20
LIMITS = {
    "RLIMIT_AS": 4 << 30,  # every thread takes 8 MiB of addresses for its stack
    "RLIMIT_CPU": 20,
    "RLIMIT_NOFILE": 256,
    "RLIMIT_NPROC": 4096,
    "RLIMIT_FSIZE": MIB,
    "RLIMIT_CORE": 0,
}
"""What the learner's process is granted (`getrlimit(2)`)."""

RESIDENT_BYTES, PROCESSES = 1024 * MIB, 64
"""A trial that takes more is ended."""

BUFFER_BYTES = 32 * 1024
"""Send and receive buffer of a connection in the kernel: small, so that a partial send comes early."""

SAYS_BYTES = 4096
"""How much is kept of what the learner's process says."""


class Trial:
    """One process that runs the learner's function; leaving the `with` block ends it and its descendants."""

    def __init__(self, text: str, entry: str, draw: random.Random, *, factor: int = 1, **limits: int) -> None:
        self.draw = draw
        self.table = derangement(draw)
        self.factor = factor
        self.listening = listen()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.listening.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)  # accepted sockets inherit it
        self.address: faults.Address = self.listening.getsockname()[:2]
        self._stack = contextlib.ExitStack()
        self._told = {
            "text": text,
            "entry": entry,
            "table": self.table.hex(),
            "factor": factor,
            "descriptor": self.listening.fileno(),
            "limits": LIMITS | limits,
            "judge": os.getpid(),
            "path": [folder for folder in sys.path if folder],
        }
        self.ended_for = ""

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

    def alive(self) -> bool:
        """Say whether the process still runs."""
        return self._process.poll() is None

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
        patience = self.patience()
        while self.alive():
            patience.sleep()
        return self._process.wait()

    def how_it_ended(self) -> str:
        """Say how the process ended, in a half sentence."""
        status = self._process.returncode
        if self.ended_for:
            return self.ended_for
        if status < 0:
            return f"it was ended by {signal.Signals(-status).name}"
        self._reader.join(1)
        last = [line.strip() for line in self.says.decode(errors="replace").splitlines() if line.strip()]
        return f"it ended with status {status}" + (f" ({last[-1][:120]})" if status and last else "")

    def __enter__(self) -> Self:
        self._stack.enter_context(self.listening)
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="iolab-", ignore_cleanup_errors=True))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), "HOME": folder, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
            pass_fds=(self.listening.fileno(),),
            start_new_session=True,
        )
        self.pid = self._process.pid
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(self._told).encode() + b"\n")
        self.says = b""
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._warden = threading.Thread(target=self._watch, daemon=True)
        self._reader.start()
        self._warden.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._warden.join()
        self._end()
        self._process.wait()
        self._stack.close()

    def _read(self, pipe: IO[bytes]) -> None:
        while came := os.read(pipe.fileno(), 1 << 16):
            self.says = (self.says + came)[-SAYS_BYTES:]

    def _watch(self) -> None:
        # The limits count each process alone, and the number of processes not at all for root.
        while not self._over.wait(0.05):
            held, count = outside.resident_bytes(self.pid), len(outside.family(self.pid))
            if held > RESIDENT_BYTES or count > PROCESSES:
                self.ended_for = f"it was ended by the judge: it had {count} processes and {held // MIB} MiB"
                self._end()
                return

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # those too whose parent has ended: none can leave the group
        for pid in outside.family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def derangement(draw: random.Random) -> bytes:
    """Return a table in which every byte stands for another one, drawn at random."""
    numbers = list(range(256))
    draw.shuffle(numbers)
    table = bytearray(256)
    for number, following in zip(numbers, numbers[1:] + numbers[:1], strict=True):
        table[number] = following
    return bytes(table)
