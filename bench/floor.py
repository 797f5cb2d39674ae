"""The C floor: a server and a load client in C, to compare the Python ones with.

The sources are in bench/floor; `build` compiles them into build/floor, which git ignores.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from iolab.errors import ServerFailed, UsageError

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "bench" / "floor"
BUILD = ROOT / "build" / "floor"
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")
CPUCLOCK_SCHED = 2  # the CPU clock of process p is (~p << 3) | CPUCLOCK_SCHED, for any process (linux/posix-timers.h)


Column = np.ndarray[Any, np.dtype[np.int64]]


class NoFloor(RuntimeError):
    """Say why the C floor cannot be built here."""


def build() -> Path:
    """Compile the server and the client where they are missing or older than their sources.

    Return the folder that holds `server` and `client`. Raise NoFloor, in one sentence, without Linux or a C compiler.
    """
    if sys.platform != "linux":
        raise NoFloor(f"the C floor needs Linux (epoll), and this is {sys.platform}")
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("server", "client"):
        if not _fresh(BUILD / name):
            _compile(SOURCES / f"{name}.c", BUILD / name)
    return BUILD


def _fresh(program: Path) -> bool:
    newest = max(source.stat().st_mtime_ns for source in SOURCES.iterdir())
    return program.exists() and program.stat().st_mtime_ns > newest


def _compiler() -> list[str]:
    wanted = [shlex.split(os.environ["CC"])] if os.environ.get("CC") else [["cc"], ["gcc"], ["clang"]]
    for command in wanted:
        if shutil.which(command[0]):
            return command
    tried = ", ".join(command[0] for command in wanted)
    raise NoFloor(
        f"the C floor needs a C compiler, and there is none by the name of {tried}; install gcc or clang, or set CC"
    )


def _compile(source: Path, program: Path) -> None:
    fresh = program.with_suffix(f".{os.getpid()}")
    command = [*_compiler(), *FLAGS, "-o", str(fresh), str(source), "-lm"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise NoFloor(f"{shlex.join(command)} failed: {first}")
    fresh.replace(program)  # atomically, so that two builds at a time do no harm


class Server:
    """The C server on a free port of loopback; leaving the `with` block ends it.

    It also ends with the thread that starts it (`prctl(2)`, PR_SET_PDEATHSIG).
    """

    def __init__(self, cpu: int | None = None) -> None:
        self.cpu = cpu
        self.address = ("127.0.0.1", 0)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [build() / "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        assert self._process.stdout is not None
        port = self._process.stdout.readline()
        if not port:
            raise ServerFailed(f"the C server ended with status {self._process.wait()} before it named its port")
        self.address = ("127.0.0.1", int(port))
        if self.cpu is not None:
            self._pin(self.cpu)

    def _pin(self, cpu: int) -> None:
        try:
            os.sched_setaffinity(self.pid, {cpu})
        except (OSError, ValueError, OverflowError):
            usable = sorted(os.sched_getaffinity(0))
            raise UsageError(f"the C server can be pinned to one of the CPUs {usable}, not to {cpu}") from None

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_ns(self) -> int:
        """Return the CPU time that the server has used, user and system together; ask while it runs."""
        return time.clock_gettime_ns((~self.pid << 3) | CPUCLOCK_SCHED)

    def close(self) -> None:
        """End the server, by the end of its standard input."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True)
class Requests:
    """What the C client did: every request (ns, CLOCK_MONOTONIC), how many it did not send, and what went wrong."""

    due_ns: Column
    sent_ns: Column
    answered_ns: Column
    connection: Column
    unsent: int
    errors: int
    error: str


def client(
    port: int,
    connections: int,
    size_bytes: int,
    *,
    seconds: float = 0,
    requests: int = 0,
    rate_per_s: float = 0,
    cpu: int | None = None,
    warm_up_s: float = 0,
    patience_s: float = 5,
    spin: bool = False,
) -> Requests:
    """Run the C load client against a server of this machine to its end; it says what the numbers mean."""
    numbers = (port, connections, size_bytes, seconds, requests, rate_per_s, warm_up_s, patience_s, int(spin))
    where = -1 if cpu is None else cpu
    done = subprocess.run([build() / "client", *map(str, (*numbers, where))], check=True, stdout=subprocess.PIPE)
    head, _, rows = done.stdout.partition(b"\n")
    return Requests(*np.frombuffer(rows, np.int64).reshape(-1, 4).T, **json.loads(head))
