"""One call of a function that a learner has just typed, with sockets to talk to it, and an end in any case.

Theory of operation. The function runs in a thread of its own, and a check plays its peer in the calling thread; it
raises Wrong where the two disagree. Every wait of the check ends when the time is up. Then the sockets are shut down,
which ends each call that waits on one, and Stopped is raised in the thread (`kernel.threads.raise_in`), which ends a
loop that computes; several times, for a bare `except` may take the first. What survives even that is a runaway, and
is named as one beside later measurements.
"""

import inspect
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from types import CodeType, TracebackType
from typing import Any, Self

from iolab.background import report_runaway
from iolab.errors import describe, frame_line
from iolab.kernel import threads
from iolab.listening import ListeningSocket, Stopped, resolve, shut_down

LIMIT_S = 2.0
"""How long one try may take; a right answer takes a millisecond or two."""

LAST_STEP_S, INTERRUPTS = 0.5, 100
"""How long a function that is stopped may take to end, and how often it is interrupted meanwhile."""

SETTLE_S = 0.1
"""A function that raises closes its connections before it ends: how long its end may be behind what a client sees."""


GONE = "Your function had returned, and the next client was refused. A server goes back to `accept`."


class Wrong(Exception):
    """Say in a sentence what a function does wrong."""


class Listening(ListeningSocket):
    """A listening socket that holds what it accepted: a connection is closed by `close`, not by being forgotten."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.accepted: list[socket.socket] = []
        super().__init__(*arguments, **options)

    def remember(self, connection: socket.socket) -> socket.socket:
        """Hold a connection that was accepted."""
        self.accepted.append(connection)
        return super().remember(connection)


class Attempt:
    """A function of the learner's, called once by `begin`; leaving its `with` block stops it."""

    def __init__(self, function: Callable[..., Any], limit_s: float | None = None) -> None:
        self.function = function
        self.limit_s = LIMIT_S if limit_s is None else limit_s
        self.story = ""
        """What its peer has done, in a sentence; what is wrong is told after it."""
        self._deadline = time.monotonic() + self.limit_s
        self._sockets: list[socket.socket] = []
        self._thread: Thread | None = None
        self._value: Any = None
        self._error: BaseException | None = None
        self._ended = Event()

    def begin(self, *arguments: Any) -> None:
        """Call the function in a thread, and return at once."""
        self._ended.clear()
        self._thread = Thread(target=self._run, args=arguments, name="iolab attempt", daemon=True)
        threads.start(self._thread)

    def call(self, *arguments: Any) -> Any:
        """Call the function, and return what it returns. Raise Wrong if it does not return in time, or raises."""
        self.begin(*arguments)
        return self.result()

    def result(self) -> Any:
        """Return what the function returns. Raise Wrong if it does not return in time, or raises."""
        if not self._ended.wait(self.left_s):
            raise self.wrong(f"Your function had not returned after {self.limit_s:g} s.")
        if self._error:
            raise self.wrong("")
        return self._value

    def returns_within(self, seconds: float) -> bool:
        """Wait so long, and return whether the function has ended meanwhile."""
        return self._ended.wait(seconds)

    def listen(self) -> Listening:
        """Return a listening socket for the function."""
        listening = Listening(*resolve("127.0.0.1", 0))
        self._sockets.append(listening)
        return listening

    def connect(self, listening: ListeningSocket) -> socket.socket:
        """Return a client that is connected to it."""
        try:
            client = socket.create_connection(listening.getsockname(), timeout=self.left_s)
        except OSError as error:
            raise self.wrong(GONE if self.has_returned else f"A client could not connect: {error}.") from None
        self._sockets.append(client)
        return client

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Return the two ends of a TCP connection: the function's, and its peer's."""
        listening = self.listen()
        client = self.connect(listening)
        server, _ = listening.accept()
        return server, client

    def receive(self, client: socket.socket, count: int) -> bytes:
        """Return so many bytes, or those that came before the end of file or the end of the time."""
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while len(received) < count:
                client.settimeout(self.left_s)
                chunk = client.recv(count - len(received))
                if not chunk:
                    break
                received += chunk
        return received

    def until(self, condition: Callable[[], object]) -> bool:
        """Wait for a condition, or for the function's end; return whether the condition came."""
        while not condition():
            if self._ended.is_set() or self.time_is_up:
                return bool(condition())
            time.sleep(0.0005)  # another thread brings it about, and this one must not hold the GIL
        return True

    @property
    def left_s(self) -> float:
        """What is left of the time, in seconds; never 0, which would make a socket non-blocking."""
        return max(0.001, self._deadline - time.monotonic())

    @property
    def time_is_up(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() >= self._deadline

    @property
    def has_returned(self) -> bool:
        """Whether the function has returned by itself."""
        return self._ended.is_set() and self._error is None

    def wrong(self, sentence: str) -> Wrong:
        """Return what to raise: the error that the function raised, else the sentence, and where the function is."""
        self._ended.wait(SETTLE_S)
        if self._error:
            sentence, where = f"Your function raised {describe(self._error, self.function)}", ""
        else:
            where = self._where()
        return Wrong(" ".join(filter(None, (self.story, sentence, where))))

    def _where(self) -> str:
        if self._thread is None or self._ended.is_set():
            return ""
        frame = sys._current_frames().get(self._thread.ident or 0)
        while frame and frame.f_code.co_filename != self._code.co_filename:
            frame = frame.f_back
        return f"It is at {frame_line(frame, frame.f_lineno)}" if frame else ""

    @property
    def _code(self) -> CodeType:
        code: CodeType = inspect.unwrap(self.function).__code__
        return code

    def _run(self, *arguments: Any) -> None:
        with suppress(Stopped):  # an interrupt may come when the function has just ended
            self._call(*arguments)

    def _call(self, *arguments: Any) -> None:
        try:
            self._value = self.function(*arguments)
        except BaseException as error:
            self._error = None if isinstance(error, Stopped) else error
        finally:
            self._ended.set()
            # Whoever waits for a function that is gone need not wait for the end of the time.
            if self._error or any(isinstance(each, Listening) for each in arguments):
                self._shut_down()

    def _interrupt(self) -> None:
        """End the thread by an exception; in C code, such as a sleep, it sees that only afterwards."""
        assert self._thread
        with threads.raise_at_lines(self._thread, Stopped, self._code.co_filename):
            for _ in range(INTERRUPTS):
                self._thread.join(LAST_STEP_S / INTERRUPTS)
                if self._ended.is_set() or not self._thread.is_alive():
                    break
                threads.raise_in(self._thread, Stopped)
        if self._ended.is_set() or not self._thread.is_alive():
            self._thread.join()
        else:
            report_runaway(self._thread, self.function.__name__)

    def _shut_down(self) -> None:
        for each in self._sockets:
            if isinstance(each, Listening):
                each.stop()
            else:
                shut_down(each)

    def ends_when_stopped(self, within_s: float = 0) -> bool:
        """Shut the sockets down, and return whether that ends the function in time, or within so long."""
        self._shut_down()
        return self._ended.wait(max(self.left_s, within_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut_down()
        if self._thread:
            self._thread.join(LAST_STEP_S / INTERRUPTS)
        self._close()
        if self._thread:
            self._interrupt()

    def _close(self) -> None:
        for each in self._sockets:
            for connection in each.accepted if isinstance(each, Listening) else ():
                connection.close()
            each.close()
