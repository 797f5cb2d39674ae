"""The parent's side: fork a worker, wait for one to end, reap it, and end all of them."""

import json
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from socket import SO_REUSEPORT, SOL_SOCKET, socket
from typing import Any, NoReturn, Self

from iolab.errors import describe
from iolab.kernel.confinement import end_with_parent
from iolab.listening import ListeningSocket, Respond, Stopped
from iolab.replies import Guarded
from iolab.workers.ledger import Ledger

STILLBORN = 10
"""So many workers in a row that end before their first connection say that there will be no other."""

TEXT = 500
"""So much of an error is told: six bytes a letter, as JSON may take, is less than a pipe takes in one piece."""

RECORDED_S = 5.0
"""A worker that is recorded has so long to write down what it did."""

Parent = Callable[["Crew", "WorkersSocket", Respond], None]
Work = Callable[..., object]


@dataclass(frozen=True)
class Watch:
    """Which worker is recorded (the first is 1), by what, and the descriptor that this writes to."""

    worker: int
    begin: Callable[[int, Work, Sequence[Any]], Work]
    descriptor: int


@dataclass
class Crew:
    """The workers of one server, and where their deaths and errors are told."""

    listening: ListeningSocket
    ledger: Ledger
    tells: int
    """The descriptor that takes one line of JSON for each event; lines this short do not mix (`pipe(7)`)."""
    watch: Watch | None = None

    def __post_init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._early: dict[int, tuple[int, float]] = {}
        self._stillborn = 0
        self._ready = False
        self.size = max(2, len(os.sched_getaffinity(0)))
        """How many workers a server keeps: as asked for, or one for each CPU, and two at least."""
        self.row = self.ledger.take()
        self.ledger.set(self.row, "pid", os.getpid())

    def __len__(self) -> int:
        return len(self._rows)

    def fork(self, work: Work, *arguments: Any) -> int:
        """Fork a worker that does `work(*arguments)` and ends, and return its process. Raise OSError if none can be."""
        row, parent = self.ledger.take(), os.getpid()
        pid = os.fork()
        if not pid:
            self._become(row, parent, work, arguments)
        self.ledger.set(row, "pid", pid)
        self._rows[pid] = row
        if pid in self._early:  # a handler of SIGCHLD ran in between, and the worker had ended
            self._bury(pid, *self._early.pop(pid))
        return pid

    def wait(self) -> list[int]:
        """Sleep until a worker ends, reap all that have, and return which; raise Stopped once the server is stopped."""
        self.tell_ready()
        poll, processes = select.poll(), [os.pidfd_open(pid) for pid in self._rows]
        try:
            poll.register(self.listening, 0)  # POLLHUP is always told (poll(2))
            for process in processes:
                poll.register(process, select.POLLIN)
            ready = dict(poll.poll())
        finally:
            for process in processes:
                os.close(process)
        if self.listening.fileno() in ready:
            raise Stopped
        return self.reap()

    def reap(self) -> list[int]:
        """Take leave of every worker that has ended: a zombie keeps its number and a place among the processes."""
        ended = []
        while self._rows:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if not pid:
                break
            self._bury(pid, status, used.ru_utime + used.ru_stime)
            ended.append(pid)
        return ended

    def end(self) -> None:
        """Kill all workers, and reap them; one that is recorded may write down what it did."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in [pid for pid, row in self._rows.items() if self.watch and row == self.watch.worker]:
            os.kill(pid, signal.SIGTERM)
            select.select([ended := os.pidfd_open(pid)], (), (), RECORDED_S)
            os.close(ended)
        for pid in list(self._rows):  # a handler that was due may still run, and reap some meanwhile
            with suppress(ProcessLookupError):
                if pid in self._rows:  # not reaped yet, so the number is its own
                    os.kill(pid, signal.SIGKILL)
        for pid in list(self._rows):
            with suppress(ChildProcessError):
                _, _, used = os.wait4(pid, 0)
                self._bury(pid, 0, used.ru_utime + used.ru_stime)

    def tell_ready(self) -> None:
        """Tell once that connections may come: what came before would all go to the first listening socket."""
        if not self._ready:
            self._ready = True
            self.tell("ready")

    def leave(self) -> None:
        """Write what the parent itself used into its row."""
        self.ledger.add(self.row, "cpu_ns", time.process_time_ns())
        self.ledger.set(self.row, "pid", 0)

    def count(self) -> None:
        """Count one more connection of this worker, open until it is closed here."""
        self.ledger.add(self.row, "connections")
        self.ledger.add(self.row, "open")

    def guard(self, respond: Respond) -> Respond:
        """Return a reply function that counts requests, and tells what `respond` raises."""
        guarded = Guarded(respond, lambda error: self.tell("reply", describe(error, respond)))

        def answer(request: bytes) -> bytes:
            self.ledger.add(self.row, "requests")
            return guarded(request)

        return answer

    def tell(self, kind: str, text: str = "", **event: Any) -> None:
        """Write one event for the process that started this server."""
        os.write(self.tells, json.dumps({"kind": kind, "text": text[:TEXT]} | event).encode() + b"\n")

    def _bury(self, pid: int, status: int, used_s: float) -> None:
        if pid not in self._rows:
            self._early[pid] = status, used_s
            return
        row = self._rows.pop(pid)
        connections, open_now = self.ledger.get(row, "connections"), self.ledger.get(row, "open")
        self.ledger.add(row, "cpu_ns", int(used_s * 1e9))
        self.ledger.set(row, "open", 0)
        self.ledger.set(row, "pid", 0)
        if not status:
            return
        self.ledger.add(row, "deaths")
        self.tell("death", worker=row, pid=pid, code=os.waitstatus_to_exitcode(status), open=open_now)
        self._stillborn = 0 if connections else self._stillborn + 1
        if self._stillborn == STILLBORN:
            raise RuntimeError(f"{STILLBORN} workers in a row ended before they had a connection")

    def _become(self, row: int, parent: int, work: Work, arguments: tuple[Any, ...]) -> NoReturn:
        """Be the worker: do its work, tell what it raises, and end without the parent's clean-up."""
        status = 1
        try:
            end_with_parent(signal.SIGKILL)
            if os.getppid() != parent:  # it ended between fork and prctl
                os._exit(1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.row, self._rows, self._ready = row, {}, True
            self.ledger.set(row, "pid", os.getpid())
            if self.watch and row == self.watch.worker:
                work = self.watch.begin(self.watch.descriptor, work, arguments)
            for connection in arguments:
                if isinstance(connection, Connection):  # from now on it is this worker's
                    self.count()
            work(*arguments)
            status = 0
        except Stopped:
            status = 0
        except BaseException as error:
            self.tell("error", describe(error, work))
        finally:
            os._exit(status)


class WorkersSocket(ListeningSocket):
    """A listening socket that several processes hold, and whose connections are counted in the ledger."""

    crew: Crew

    def accept(self) -> tuple[socket, Any]:
        """Accept as ListeningSocket does, and count what came, and the calls for which nothing had come."""
        self.crew.tell_ready()
        try:
            return super().accept()
        except BlockingIOError:
            self.crew.ledger.add(self.crew.row, "vain")
            raise

    def remember(self, connection: socket) -> socket:
        """Take charge of a connection, and count it until it is closed."""
        return super().remember(Connection(self.crew, connection.detach()))

    def twin(self) -> Self:
        """Return another listening socket on the same port: each connection goes to one of the two (`socket(7)`)."""
        twin = type(self)(self.family)
        twin.crew = self.crew
        for each in (self, twin):
            each.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        twin._bind(self.getsockname())
        return twin


class Connection(socket):
    """A connection that counts as open in its worker until it is closed there."""

    def __init__(self, crew: Crew, descriptor: int) -> None:
        super().__init__(fileno=descriptor)
        self.crew = crew
        crew.count()

    def close(self) -> None:
        """Close it, and count one less."""
        if self.fileno() >= 0:
            self.crew.ledger.add(self.crew.row, "open", -1)
        super().close()


def main() -> None:
    """Be the parent: read the call from standard input, run it until the listening socket is stopped, end everybody."""
    listens, counts, tells, grandparent = map(int, sys.argv[1:])
    end_with_parent(signal.SIGKILL)
    if os.getppid() != grandparent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the thread that started us blocks all
    listening = WorkersSocket.adopt(listens)
    crew = listening.crew = Crew(listening, Ledger(counts), tells)
    status = 1
    try:
        parent, respond, size, crew.watch = pickle.load(sys.stdin.buffer)  # noqa: S301  from our own parent
        crew.size = size or crew.size
        parent(crew, listening, crew.guard(respond))
    except Stopped:
        status = 0
    except BaseException as error:
        crew.tell("failure", describe(error, parent))
    finally:
        crew.end()
        crew.leave()
        os._exit(status)
