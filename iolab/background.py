"""Run a server in a background thread of this process, and stop it without a trace."""

import inspect
import linecache
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Collection
from contextlib import suppress
from socket import socket
from types import FrameType, TracebackType
from typing import Self

from iolab.errors import LoadFailed, ServerFailed, UsageError, describe, shorten
from iolab.kernel import descriptors, threads
from iolab.listening import ListeningSocket, Respond, Stopped, listen
from iolab.models import Model, Serve
from iolab.replies import Guarded, upper
from iolab.workers.apart import WorkerError, Workers, require_importable
from iolab.workers.crew import Watch

STOP_S = 5.0
"""How long a stopped server may take to end; the models here take a few milliseconds."""

SLEEPS = 50

LOOK_S = 0.2
"""How long a thread that does not end is looked at."""

CHILDREN_S = 0.5
"""How long its threads may take to see that their connections are shut down."""

_server_threads: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()
_runaways: "weakref.WeakKeyDictionary[threading.Thread, str]" = weakref.WeakKeyDictionary()
"""Threads that went on after the stop of their server, each with what it runs."""

_servers: "weakref.WeakSet[Server]" = weakref.WeakSet()


class EarlyReturn(Exception):
    """Say that a server did not serve."""

    def __str__(self) -> str:
        return "it returned, though its listening socket was open; a server calls accept until it is stopped"


class ReplyWarning(UserWarning):
    """Show the learner that a reply function raised."""


class StillRunsWarning(UserWarning):
    """Show the learner that the same cell started a server before, which nobody stopped."""


class Server:
    """A server in a background thread, made by `start`; leaving its `with` block stops it."""

    def __init__(
        self, name: str, serve: Serve, listening: ListeningSocket, respond: Respond, cpus: Collection[int] | None
    ) -> None:
        self.name = name
        self.cpus = cpus
        self.listening = listening
        self.address: tuple[str, int] = listening.getsockname()[:2]
        """The host and port that the server listens on."""
        self.reply_errors: list[Exception] = []
        self._left: list[threading.Thread] = []
        self._is_stopped = False
        self.others = set(threading.enumerate())
        """The threads that were there before: what this process uses beside them is the server's."""
        self._failure: BaseException | None = None
        self._cell: tuple[tuple[str, int], int] | None = None
        # Not join(): up to Python 3.12, one that Ctrl-C interrupts takes a thread that runs for one that has ended.
        self._ended = threading.Event()
        self._serve, self._respond = serve, respond
        self._guarded = Guarded(respond, self.reply_errors.append, lambda: listening.stopping)
        self._thread = threading.Thread(target=self._run, name=f"iolab {name}", daemon=True)
        _server_threads.add(self._thread)
        _servers.add(self)
        try:
            threads.start(self._thread)
        except BaseException:  # an interrupt: nobody will hold this server, and stop it
            self.stop()
            raise

    @property
    def thread_id(self) -> int | None:
        """The kernel's number of the server's thread (`gettid(2)`)."""
        return self._thread.native_id

    @property
    def workers(self) -> Workers | None:
        """The processes that serve in the place of this one; None if the server has none."""
        workers: Workers | None = self.listening.workers
        return workers

    def wait(self) -> None:
        """Sleep until the server's thread ends, which it does only when stopped or broken."""
        try:
            self._ended.wait()
        except KeyboardInterrupt as error:
            shorten(error, f"wait was interrupted; {self!r}")
            raise

    def stop(self) -> None:
        """Stop the server and close what it left open.

        Raise ServerFailed if it had ended by itself, or does not end within STOP_S.
        Warn with ReplyWarning if its reply function raised.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        self.listening.stop()
        if self._ends():
            self._thread.join()  # which has nothing left to do
        if self._ended.is_set():  # else its thread does: a closed socket would not wake it when it comes back to wait
            self.listening.close()
        _servers.discard(self)
        if self.reply_errors:
            count, first = len(self.reply_errors), self.reply_errors[0]
            warnings.warn(
                f"respond raised {'once' if count == 1 else f'{count} times'}, and the connection was closed; "
                f"the first: {first if isinstance(first, WorkerError) else describe(first, self._respond)}",
                ReplyWarning,
                stacklevel=2,
            )
        if not self._ended.is_set():
            self._left.append(self._thread)
        if left := [thread for thread in self._left if thread.is_alive()]:
            raise ServerFailed(self._describe_runaway(left[0]))
        if self._failure is not None:
            raise ServerFailed(f"{self.name} ended by itself: {self._why()}") from self._failure

    def _describe_runaway(self, thread: threading.Thread) -> str:
        """Say what a thread runs that does not end, and whether it computes or waits (`pthread_getcpuclockid(3)`)."""
        frames = _frames_of(thread)
        codes, respond = [frame.f_code for frame in frames], Guarded.__call__.__code__
        own = frames[codes.index(respond) + 1 :] if respond in codes else []
        what = f"respond of {self.name}" if own else self.name
        _runaways[thread] = what
        where = f", in respond at line {own[0].f_lineno}" if own else ""
        clock = time.pthread_getcpuclockid(thread.ident or 0)
        before_s = time.clock_gettime(clock)
        thread.join(LOOK_S)
        # One that waits uses nothing; one that computes on a busy machine may get little, and then waits for a CPU.
        if not thread.is_alive():
            still = "now it has ended"
        elif time.clock_gettime(clock) - before_s > LOOK_S / 200 or threads.is_runnable(thread.native_id or 0):
            still = f"it computes{where}, and slows whatever you run next; restart the kernel"
        else:
            still = f"it waits for something other than its sockets{where}; restart the kernel to be rid of it"
        return f"{what} still runs, though {self.name} was stopped: {still}"

    def __repr__(self) -> str:
        if self._is_stopped:
            return f"{self.name}, stopped"
        host, port = self.address
        others = len(list_servers()) - 1
        runs = "1 other server runs" if others == 1 else f"{others} other servers run"
        more = f"; {runs}, see iolab.list_servers()" if others else ""
        return f"{self.name} on {host}:{port}, running; stop it with `.stop()`{more}"

    def _why(self) -> str:
        failure = self._failure
        return str(failure) if failure is None or isinstance(failure, EarlyReturn) else describe(failure, self._serve)

    def _ends(self) -> bool:
        """Whether the thread ends in time: in sleeps that grow longer as the machine grows slower."""
        return any(self._ended.wait(STOP_S / SLEEPS) for _ in range(SLEEPS))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except ServerFailed as failure:
            # Whoever connects to a server that broke is refused: that is no cause, but what came of it.
            if error is None or (self._failure is not None and isinstance(error, OSError | LoadFailed)):
                raise
            error.add_note(str(failure))

    def _run(self) -> None:
        held: list[socket] = []
        try:
            if self.cpus is not None:
                os.sched_setaffinity(0, self.cpus)  # 0 is this thread, and its children inherit it
            self._serve(self.listening, self._guarded)
            if not self.listening.stopping:
                raise EarlyReturn
        except Stopped:
            pass
        except BaseException as error:
            held = self.listening.connections()  # they must outlive the frames that held them, to be closed
            # While stop() is in shutdown(2) of a connection, the server's close(2) does not take
            # it out of an epoll interest yet: the server may be told of what it has closed.
            if not self.listening.stopping:
                self._failure = error  # stop() raises it in the caller's thread
                self.listening.stop()  # or clients would wait in the backlog of a server that is gone
        finally:
            try:
                self._clear()
                held.clear()
            finally:
                self._ended.set()
                if self._is_stopped:
                    self.listening.close()

    def _clear(self) -> None:
        # Threads of the server see their connection shut down and close it. What a
        # single-threaded server held is still open: its loop was left by an exception.
        deadline = time.monotonic() + CHILDREN_S
        for child in filter(self._runs_in, self._children()):
            child.join(max(0.0, deadline - time.monotonic()))
            if child.is_alive():
                self._left.append(child)
        for connection in self.listening.connections():
            connection.close()

    def _runs_in(self, thread: threading.Thread) -> bool:
        """Whether a thread is in the text of this server or in its reply; not in those of a second one of the model."""
        text = getattr(inspect.unwrap(self._serve), "__code__", None)
        files, reply = {text.co_filename} if text else set(), Guarded.__call__.__code__
        frames = [each for each in _frames_of(thread) if each.f_code is reply or each.f_code.co_filename in files]
        own = (self.listening, self._guarded)
        return any(value is each for frame in frames for value in frame.f_locals.values() for each in own)

    def _children(self) -> set[threading.Thread]:
        # One that has not begun is listed too, and cannot be joined.
        alive = {thread for thread in threading.enumerate() if thread.is_alive()}
        return alive - self.others - set(_server_threads)


def list_servers() -> list[Server]:
    """Return the servers of this process that were started and not stopped."""
    return sorted((each for each in _servers if not each._is_stopped), key=lambda each: each.address)


def report_runaway(thread: threading.Thread, what: str) -> None:
    """Have a thread that goes on, though it was told to end, named by `runaways` as what it runs."""
    _runaways[thread] = what


def runaways() -> list[str]:
    """Return the names of threads that go on though their server was stopped: they slow whatever runs beside them."""
    return sorted(what for thread, what in _runaways.items() if thread.is_alive())


def _frames_of(thread: threading.Thread) -> list[FrameType]:
    """Return what a thread is in, from the outermost call on."""
    frames: list[FrameType] = []
    frame = sys._current_frames().get(thread.ident or 0)
    while frame:
        frames.insert(0, frame)
        frame = frame.f_back
    return frames


def used_by_others(server: Server) -> dict[str, float]:
    """Return the CPU time in seconds of each other server that was not stopped, by its name and address."""
    used = {}
    for each in list_servers():
        if each is not server and each._thread.is_alive() and hasattr(time, "pthread_getcpuclockid"):
            clock = time.pthread_getcpuclockid(each._thread.ident or 0)
            with suppress(OSError):  # it has just ended
                used[f"{each.name} on {each.address[0]}:{each.address[1]}"] = time.clock_gettime(clock)
    return used


def require_cpu(cpu: int) -> None:
    """Raise UsageError for a CPU that a thread of this process cannot be pinned to (`sched_setaffinity(2)`)."""
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("expected no cpu: this system pins no threads")
    here = os.sched_getaffinity(0)
    if cpu in here:
        return
    try:
        os.sched_setaffinity(0, {cpu})
    except (OSError, OverflowError, ValueError):
        numbers = ", ".join(map(str, sorted(here)))
        raise UsageError(f"expected cpu to be one that this process may use ({numbers}), not {cpu}") from None
    os.sched_setaffinity(0, here)


def start(
    model: Model,
    respond: Respond = upper,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    expose: bool = False,
    listening: ListeningSocket | None = None,
    cpu: int | Collection[int] | None = None,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Server:
    """Start a server in a background thread, and return it.

    `cpu`, one or several, pins its thread (`sched_setaffinity(2)`); a listening socket of your own takes the
    place of host and port; `workers` is how many processes a server keeps that forks them beforehand, and
    `watch` which of them is recorded. Raise UsageError for a model that cannot run here, one without workers that is
    given a number, and an address that cannot be listened on.
    """
    model.require()
    if model.apart:
        require_importable(respond)
    elif workers is not None:
        raise UsageError(f"{model.name} serves in this process, and has no workers; as prefork has")
    if isinstance(cpu, int):
        require_cpu(cpu)
    descriptors.raise_limit()
    listening = listening or listen(host, port, expose=expose)
    listening.workers = Workers(workers, watch) if model.apart else None
    server = Server(model.name, model.serve, listening, respond, {cpu} if isinstance(cpu, int) else cpu)
    if server.workers:
        server.workers.ready.wait()
    _warn_of_earlier(server)
    return server


def _warn_of_earlier(server: Server) -> None:
    """Name the servers that the same line of the same cell started in an earlier run of that cell."""
    server._cell = _running_cell()
    if server._cell is None:
        return
    line, count = server._cell
    for each in list_servers():
        if each._cell and each._cell[0] == line and each._cell[1] != count:
            host, port = each.address
            warnings.warn(
                f"this cell was run before, and the {each.name} that it started then still runs on {host}:{port}; "
                "stop all of them: for server in iolab.list_servers(): server.stop()",
                StillRunsWarning,
                stacklevel=2,
            )


def _running_cell() -> tuple[tuple[str, int], int] | None:
    """Return the learner's line that runs, and the number of the run of its cell; None away from a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    for frame in reversed(_frames_of(threading.current_thread())):
        if shell and frame.f_globals is shell.user_ns:
            text = "".join(linecache.getlines(frame.f_code.co_filename))  # its name may hold the number of the run
            return (text, frame.f_lineno), shell.execution_count
    return None
