"""A confined process: an answer runs in it, and it is watched, and ended together with all that it started.

Theory of operation

An answer may fork, ignore signals, fill the memory, and write without end. So nothing is asked of it: what is known of
it comes from /proc (`watch`), and each confined process has two threads on the judge's side. One reads its last words
(`last_words`), of which the first WORDS_BYTES are kept; what the answer prints goes nowhere. The other one looks every
WARDEN_LOOK_S whether process and descendants together take too much: limits of the kernel (`getrlimit(2)`) count each
process alone, and the number of processes not at all for root.

Entering the `with` block waits until the answer's top level has run, so that no property counts that time. Leaving it
has its keeper end it, with all that it has started (`forkserver`).
"""

import contextlib
import os
import re
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from iolab.exercises.protocol import Launch
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.forkserver import fork_server
from iolab.exercises.sandbox.last_words import ANSWER, READY
from iolab.exercises.sandbox.notes import Notes
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

WORDS_BYTES = 4096
"""How much of the last words is kept; nothing in them is believed."""

DIED = re.compile("(it|a thread|a task|a process of it) died")

WARDEN_LOOK_S, HEADLESS_LOOKS = 0.05, 3
ANSWER_LOADS_IN_S = 10.0
"""The answer's top level has so long: imports, and what stands outside of functions."""

CAUSES = {signal.SIGXCPU: f"it had used {LIMITS['RLIMIT_CPU']} s of CPU", signal.SIGXFSZ: "it wrote a file of 1 MiB"}


class Confined:
    """A process that runs an answer; leaving the `with` block ends it and its descendants.

    `launch` makes its message from the folder that is its own; `port` is the one that it serves on.
    """

    notes: Notes | None = None

    def __init__(self, launch: Callable[[str], Launch], descriptor: int, port: int = 0) -> None:
        self._launch, self._descriptor, self._port = launch, descriptor, port
        self._stack = contextlib.ExitStack()
        self._verdict, self._words, self._hears = "", b"", threading.Lock()
        self._loaded, self._over = threading.Event(), threading.Event()

    def alive(self) -> bool:
        """Say whether the process still runs; one whose end is under way does not."""
        return self._process.poll() is None and not watch.is_ending(self.pid)

    def wait_for_end(self) -> int:
        """Wait until the process ends by itself, and return its status."""
        return self._process.wait()

    def list_words(self) -> list[str]:
        """List what was said of exceptions: of the process's own, and of those in threads, tasks and children."""
        self._hear()  # what was said before a client saw its connection end may not have been read yet
        lines = self._words.decode(errors="replace").split("\n")
        return [line for line in lines if DIED.match(line)]

    def describe_end(self) -> str:
        """Say how the process ended, in a half sentence: the learner's line, and the exception."""
        status = self._process.wait()
        self._reader.join(1)
        own = [line for line in self.list_words() if line.startswith("it died")]
        if self._verdict or own:
            return self._verdict or own[-1]
        words = self._words.decode(errors="replace")
        if status < 0:
            place = re.search(rf'File "{re.escape(ANSWER)}", line (\d+)', words)
            return f"it was killed by {name_signal(-status)}" + (f" at line {place[1]}" if place else "")
        returned = [line for line in words.splitlines() if line.endswith(" returned")]
        return f"it ended: {returned[-1]}" if returned and not status else f"it exited with status {status}"

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(make_folder())
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            self._process = fork_server().fork(self._launch(folder), self._descriptor, write_end)
        except BaseException:
            os.close(read_end)
            self._stack.close()
            raise
        finally:
            os.close(write_end)
        self.pid = self._process.pid
        if self._process.listener is not None:
            self.notes = Notes(self._process.listener, self._port)
            threads.start(threading.Thread(target=self.notes.take, daemon=True))  # ends with the process
        self._pipe = os.fdopen(read_end, "rb", buffering=0)  # closed by its reader
        self._reader = threads.start(threading.Thread(target=self._read, daemon=True))
        self._warden = threads.start(threading.Thread(target=self._guard, daemon=True))
        if not self._loaded.wait(ANSWER_LOADS_IN_S):
            self._verdict = f"the judge ended it because its top level still ran after {ANSWER_LOADS_IN_S:.0f} s"
            self._process.end()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._warden.join()
        self._process.end()
        self._process.close()
        self._reader.join()
        self._stack.close()

    def _read(self) -> None:
        more = select.poll()
        more.register(self._pipe, select.POLLIN)
        while self._hear():
            more.poll()
        with self._hears:
            self._pipe.close()
        self._loaded.set()

    def _hear(self) -> bool:
        """Take over what has been said, and return whether more may come."""
        with self._hears:
            while not self._pipe.closed:
                chunk = self._pipe.read(1 << 16)
                if not chunk:
                    return chunk is None
                self._words = (self._words + chunk)[:WORDS_BYTES]
                if READY.encode() in self._words:
                    self._loaded.set()
        return False

    def _guard(self) -> None:
        headless = 0
        while not self._over.wait(WARDEN_LOOK_S):
            headless = headless + 1 if watch.is_headless(self.pid) else 0
            if headless == HEADLESS_LOOKS:
                self._verdict = "the judge ended it because its first thread had ended, and others had not"
                self._process.end()
                return
            resident, count = watch.measure_resident_bytes(self.pid), len(watch.list_family(self.pid))
            if resident > RESIDENT_BYTES or count > PROCESSES:
                self._verdict = f"the judge ended it because it had {count} processes and {resident // MIB} MiB"
                self._process.end()
                return


@contextlib.contextmanager
def make_folder() -> Iterator[str]:
    """Make a folder for the length of a block, and remove it with whatever is in it then."""
    folder = tempfile.mkdtemp(prefix="iolab-")
    try:
        yield folder
    finally:
        try:
            Path(folder).rmdir()  # what a world of its own held has gone with it
        except OSError:
            # Not shutil.rmtree, which calls itself for each folder within another.
            subprocess.run(["/bin/rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)


def name_signal(number: int) -> str:
    """Return the name of a signal, a realtime one's too, and why the kernel sends it, where that is a limit."""
    if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return name + (f" ({CAUSES[each]})" if (each := signal.Signals(number)) in CAUSES else "")
