"""The notebook's side: start the parent of the workers, hear what it tells, and know who is there."""

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from iolab.errors import ServerFailed, UsageError
from iolab.listening import ListeningSocket, Respond
from iolab.replies import Guarded
from iolab.workers.crew import Parent, Watch
from iolab.workers.ledger import Ledger, Row

CHILD = "from iolab.workers.crew import main; main()"


class WorkerError(Exception):
    """Say what a worker raised, in its own words: the exception itself stays in its process."""


@dataclass(frozen=True)
class Death:
    """A worker that ended before its time, and was followed by another."""

    worker: int
    pid: int
    code: int
    """Its exit status, or the negative number of the signal that killed it."""
    open: int
    """How many connections went with it."""


@dataclass
class Workers:
    """Who serves a listening socket in the place of this process."""

    size: int | None = None
    """How many a server keeps that forks them beforehand; None: one for each CPU, and two at least."""
    watch: Watch | None = None
    """Which of them is recorded, if any is."""
    ledger: Ledger = field(default_factory=Ledger.create)
    deaths: list[Death] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)
    """Set when they wait for connections, or when there will be none."""

    _last: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """What the parent and each worker did until now, or until they ended."""
        return self.ledger.rows() if self._last is None else self._last

    @property
    def pids(self) -> list[int]:
        """The processes that there are now, the parent first."""
        return [row.pid for row in self.rows if row.pid]

    @property
    def cpu_ns(self) -> int:
        """The CPU time of all of them, those that ended included."""
        return sum(row.cpu_ns for row in self.rows)

    def end(self) -> None:
        """Keep what they did, and let go of the table: they are gone."""
        self._last = self.ledger.rows()
        self.ledger.close()
        self.ready.set()

    def hear(self, respond: Guarded, event: dict[str, Any]) -> None:
        """Take note of one event."""
        kind, text = event.pop("kind"), event.pop("text")
        if kind == "death":
            self.deaths.append(Death(**event))
        elif kind == "ready":
            self.ready.set()
        elif kind == "reply":
            respond.on_error(WorkerError(text))
        else:
            self.errors.append(text)


def run_apart(parent: Parent, listening: ListeningSocket, respond: Respond) -> None:
    """Run the parent of a server in a process of its own, until the listening socket is stopped.

    Raise ServerFailed if it ends before that.
    """
    assert isinstance(respond, Guarded)
    workers: Workers = listening.workers
    call = pickle.dumps((parent, respond.respond, workers.size, workers.watch))
    descriptors = [workers.watch.descriptor] if workers.watch else []
    try:
        with _process(listening, workers.ledger, call, descriptors) as (process, lines):
            for line in lines:
                workers.hear(respond, json.loads(line))
            process.wait()
    finally:
        workers.end()
    if not listening.stopping:
        why = "; ".join(workers.errors[-1:]) or f"its exit status was {process.returncode}"
        raise ServerFailed(f"the parent of the workers ended: {why}")


@contextmanager
def _process(
    listening: ListeningSocket, ledger: Ledger, call: bytes, descriptors: Sequence[int]
) -> Iterator[tuple["subprocess.Popen[bytes]", Iterator[bytes]]]:
    reads, writes = os.pipe()
    numbers = [listening.fileno(), ledger.descriptor, writes]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # A session of its own: Ctrl-C in a terminal is for the one who stops the server, not for its workers.
    command = [sys.executable, "-c", CHILD, *map(str, numbers), str(os.getpid())]
    with os.fdopen(reads, "rb") as lines:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                pass_fds=(*numbers, *descriptors),
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(writes)
        with process:
            try:
                assert process.stdin
                with process.stdin as stdin:
                    stdin.write(call)
                yield process, lines
            finally:
                process.kill()


def require_importable(respond: Respond) -> None:
    """Raise UsageError for a reply function that a worker, which is another process, cannot import."""
    name = getattr(respond, "__qualname__", repr(respond))
    why = f"{name} is defined in this notebook or script"
    try:
        if b"__main__" not in pickle.dumps(respond):
            return
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        why = str(error)
    raise UsageError(
        f"expected a reply that the workers can import, who are other processes: {why}; "
        "write it with `def` in a file beside the notebook, and import it from there"
    )
