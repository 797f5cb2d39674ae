"""strace beside a server: attached to one that runs, or around a command (`strace(1)`, `ptrace(2)`).

Theory of operation: strace writes to a file of ours and runs in a session of its own, so that Ctrl-C reaches us alone.
SIGTERM has it let go of every thread, and the server runs on; a killed strace lets go as well, by the kernel. A wait
that is interrupted when strace comes returns EINTR, as after SIGSTOP and SIGCONT (`signal(7)`).

A command is started with `--seccomp-bpf`: calls that are not traced do not stop. Without its tracer such a process
cannot run on, so it is ended first: by SIGTERM, and two seconds later by SIGKILL with all that strace traces.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from iolab.errors import ServerFailed, UsageError
from iolab.xrays import processes
from iolab.xrays.syscalls import Syscall, parse

TRACED = "%network,%desc,%process,%signal,futex,nanosleep,clock_nanosleep,sched_yield"
"""What is traced: calls on descriptors, waits, and the birth and end of threads; memory and clocks are left out."""

OPTIONS = ("-f", "-q", "-ttt", "-T", "-yy", "-s", "64", "-e", f"trace={TRACED}")
ATTACHES_S, STARTS_S, ENDS_S = 20.0, 30.0, 2.0
TICK_S = 0.02


class Strace:
    """strace, running; `attach` it to processes or `start` a command under it, and leave the block to end it."""

    name = "strace"

    def __init__(self, arguments: Sequence[str], pid: int | None = None) -> None:
        if not (strace := shutil.which("strace")):
            raise UsageError("strace is not installed, and it does the tracing; `apt install strace` brings it")
        self._folder = TemporaryDirectory(prefix="xray-")
        self._pid = pid
        """The process that ran before; None of a command, which is ended with the trace."""
        self._text, self._errors = (Path(self._folder.name, name) for name in ("calls", "errors"))
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [strace, *OPTIONS, "-o", str(self._text), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    @classmethod
    def attach(cls, pids: Sequence[int]) -> Self:
        """Attach to processes that run."""
        return cls([word for pid in pids for word in ("-p", str(pid))], pids[0])

    @classmethod
    def start(cls, command: Sequence[str]) -> Self:
        """Start a command."""
        if not shutil.which(command[0]):
            raise UsageError(f"there is no command {command[0]!r}; give one that starts a server")
        return cls(["--seccomp-bpf", "--", *command])

    @property
    def is_running(self) -> bool:
        """Whether anything is still traced."""
        return self._process.poll() is None

    @property
    def cpu_s(self) -> float:
        """How much CPU time strace has used."""
        with suppress(OSError):
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(") ")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def family(self) -> list[int]:
        """Return the processes that are traced."""
        return processes.traced_by(self._process.pid)

    def wait_attached(self, pids: Sequence[int]) -> None:
        """Wait until every thread is traced. Raise UsageError if that is refused."""
        tracer = str(self._process.pid)

        def is_attached() -> bool:
            states = [processes.status(thread) for thread in processes.threads_of(pids)]
            return all(state.get("TracerPid", tracer) == tracer for state in states)

        self.wait_for(is_attached, ATTACHES_S, "strace could not attach")

    def wait_for(self, condition: Callable[[], object], seconds: float, problem: str) -> None:
        """Wait for a condition, while the traced processes live."""
        deadline_s = time.monotonic() + seconds
        while not condition():
            if not self.is_running:
                raise self.refusal()
            if time.monotonic() > deadline_s:
                raise UsageError(f"{problem} in {seconds:g} s; {self._last_line() or 'is it a server?'}")
            time.sleep(TICK_S)

    def refusal(self) -> Exception:
        """Return the error for a strace that has ended by itself."""
        line = self._last_line()
        if self._pid is not None and not processes.status(self._pid):
            return ServerFailed("the server ended while it was watched")
        if any("ptrace(" in each and "ermi" in each for each in self._error_lines()):  # EPERM or EACCES, in words
            return UsageError(
                "the kernel refuses ptrace(2) here; kernel.yama.ptrace_scope above 0 lets nobody but root attach, and "
                "a container needs --cap-add SYS_PTRACE: start the server by `iolab xray -- COMMAND`, or use root"
            )
        return ServerFailed(f"the server ended while it was watched{f': {line}' if line else ''}")

    def calls(self) -> list[Syscall]:
        """Return the calls that strace wrote; complete once `stop` was called."""
        return parse(self.lines())

    def lines(self) -> list[str]:
        """Return what strace wrote; complete once `stop` was called."""
        with suppress(OSError):
            return self._text.read_text(errors="replace").splitlines()
        return []

    def stop(self) -> None:
        """Let go of processes that ran before; end a command with all its children."""
        if self._pid is None:
            self._end_command()
        elif self.is_running:
            self._process.terminate()
        try:
            self._process.wait(ATTACHES_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end_command(self) -> None:
        for number, patience_s in ((signal.SIGTERM, ENDS_S), (signal.SIGKILL, ATTACHES_S)):
            deadline_s = time.monotonic() + patience_s
            family = self.family()
            while self.is_running and time.monotonic() < deadline_s:
                for pid in family:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(TICK_S)
                # SIGTERM once: a second one means something else to many servers.
                family = self.family() if number == signal.SIGKILL else []

    def _last_line(self) -> str:
        return next((line for line in reversed(self._error_lines()) if line.strip()), "")[:200]

    def _error_lines(self) -> list[str]:
        return self._errors.read_text(errors="replace").split("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            self._folder.cleanup()
