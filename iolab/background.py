"""Run a server in a background thread of this process, and stop it without a trace."""

import os
import threading
import time
import warnings
import weakref
from socket import socket
from types import TracebackType
from typing import Self

from iolab.errors import LoadFailed, ServerFailed, describe
from iolab.kernel import descriptors, threads
from iolab.listening import ListeningSocket, Respond, Stopped, listen
from iolab.models import Model, Serve
from iolab.replies import upper

STOP_S = 5.0
"""How long a stopped server may take to end; the models here take a few milliseconds."""

SLEEPS = 50

LOOK_S = 0.2
"""How long a thread that does not end is looked at."""

CHILDREN_S = 0.5
"""How long its threads may take to see that their connections are shut down."""

_server_threads: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()
_runaways: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()
_servers: "weakref.WeakSet[Server]" = weakref.WeakSet()


class ReplyFailed(ConnectionAbortedError):
    """Tell a server that there is no reply: it closes that connection, as after a reset."""


class EarlyReturn(Exception):
    """Say that a server did not serve."""

    def __str__(self) -> str:
        return "it returned, though its listening socket was open; a server calls accept until it is stopped"


class ReplyWarning(UserWarning):
    """Show the learner that a reply function raised."""


class Server:
    """A server in a background thread, made by `start`; leaving its `with` block stops it."""

    def __init__(self, name: str, serve: Serve, listening: ListeningSocket, respond: Respond, cpu: int | None) -> None:
        self.name = name
        self.cpu = cpu
        self.listening = listening
        self.address: tuple[str, int] = listening.getsockname()[:2]
        """The host and port that the server listens on."""
        self.reply_errors: list[Exception] = []
        self.others = set(threading.enumerate())
        """The threads that were there before: what this process uses beside them is the server's."""
        self._failure: BaseException | None = None
        # Not join(): up to Python 3.12, one that Ctrl-C interrupts takes a thread that runs for one that has ended.
        self._ended = threading.Event()
        self._serve, self._respond = serve, respond
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

    def wait(self) -> None:
        """Sleep until the server's thread ends, which it does only when stopped or broken."""
        self._ended.wait()

    def stop(self) -> None:
        """Stop the server and close what it left open.

        Raise ServerFailed if it had ended by itself, or does not end within STOP_S.
        Warn with ReplyWarning if its reply function raised.
        """
        if self.listening.fileno() < 0:
            return
        self.listening.stop()
        if self._ends():
            self._thread.join()  # which has nothing left to do
        self.listening.close()
        _servers.discard(self)
        if self.reply_errors:
            count, first = len(self.reply_errors), self.reply_errors[0]
            warnings.warn(
                f"respond raised {'once' if count == 1 else f'{count} times'}, and the connection was closed; "
                f"the first: {describe(first, self._respond)}",
                ReplyWarning,
                stacklevel=2,
            )
        if not self._ended.is_set():
            _runaways.add(self._thread)
            raise ServerFailed(f"{self.name} still runs {STOP_S:.0f} s after it was stopped: {self._still()}")
        if self._failure is not None:
            raise ServerFailed(f"{self.name} ended by itself: {self._why()}") from self._failure

    def _still(self) -> str:
        """Say whether a thread that does not end computes or waits, by its CPU clock (`pthread_getcpuclockid(3)`)."""
        clock = time.pthread_getcpuclockid(self._thread.ident or 0)
        before_s = time.clock_gettime(clock)
        if self._ended.wait(LOOK_S):
            return "now it has ended"
        if time.clock_gettime(clock) - before_s > LOOK_S / 10:
            return "it computes, and slows whatever you run next; restart the kernel"
        return "it waits for something other than its sockets; restart the kernel to be rid of it"

    def __repr__(self) -> str:
        if self.listening.fileno() < 0:
            return f"{self.name}, stopped"
        host, port = self.address
        others = len(list_servers()) - 1
        more = f"; {others} more run, see iolab.list_servers()" if others else ""
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
            if self.cpu is not None:
                os.sched_setaffinity(0, {self.cpu})  # 0 is this thread, and its children inherit it
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

    def _guarded(self, request: bytes) -> bytes:
        if self.listening.stopping:  # a thousand replies of a round would keep a server for seconds, and go nowhere
            raise ReplyFailed(f"{self.name} is being stopped")
        try:
            reply = self._respond(request)
            if not isinstance(reply, bytes):  # or each model would break in a way of its own
                raise TypeError(f"expected bytes as a reply, not {type(reply).__name__}")
            return reply
        except Exception as error:
            self.reply_errors.append(error)
            raise ReplyFailed(f"respond raised {error!r}") from error

    def _clear(self) -> None:
        # Threads of the server see their connection shut down and close it. What a
        # single-threaded server held is still open: its loop was left by an exception.
        deadline = time.monotonic() + CHILDREN_S
        for child in self._children():
            child.join(max(0.0, deadline - time.monotonic()))
            if child.is_alive():
                _runaways.add(child)
        for connection in self.listening.connections():
            connection.close()

    def _children(self) -> set[threading.Thread]:
        # One that has not begun is listed too, and cannot be joined.
        alive = {thread for thread in threading.enumerate() if thread.is_alive()}
        return alive - self.others - set(_server_threads)


def list_servers() -> list[Server]:
    """Return the servers of this process that were started and not stopped."""
    return sorted((each for each in _servers if each.listening.fileno() >= 0), key=lambda each: each.address)


def report_runaway(thread: threading.Thread) -> None:
    """Have a thread that goes on, though it was told to end, named by `runaways`."""
    _runaways.add(thread)


def runaways() -> list[str]:
    """Return the names of threads that go on though their server was stopped: they slow whatever runs beside them."""
    return sorted(thread.name.removeprefix("iolab ") for thread in _runaways if thread.is_alive())


def start(
    model: Model,
    respond: Respond = upper,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    expose: bool = False,
    listening: ListeningSocket | None = None,
    cpu: int | None = None,
) -> Server:
    """Start a server in a background thread, and return it.

    `cpu` pins its thread (`sched_setaffinity(2)`); a listening socket of your own takes the
    place of host and port. Raise UsageError for a model that cannot run here or an address that
    cannot be listened on.
    """
    model.require()
    descriptors.raise_limit()
    return Server(model.name, model.serve, listening or listen(host, port, expose=expose), respond, cpu)
