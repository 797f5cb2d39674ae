"""A listening socket and connections that record what is called on them.

Theory of operation: the listening socket makes its connections, so whatever serves them calls ours.

A row is (name, connection, start_ns, end_ns, result, thread, stamp); one append to a deque, which needs no
lock. A thread is known by its number in the kernel, as in the records of its switches. A stamp is the kernel's,
unread, since reading it can wait until the run is over; or None; or a time on the clock by which the data was there.
"""

import errno
import itertools
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from iolab.kernel import timestamps
from iolab.kernel.timestamps import ROOM_BYTES
from iolab.listening import ListeningSocket, Stopped, listen

MOST_ROWS = 400_000
"""The most calls to keep, the last ones: a server that spins makes a million in a second. They take 100 MB."""

EAGAIN = errno.errorcode[errno.EAGAIN]
clock = time.perf_counter_ns
Row = tuple[str, int | None, int, int, int | str, int, bytes | int | None]


class CurrentThread(threading.local):
    """What is known of the thread that asks.

    The kernel's number of it (`gettid(2)`) is read once, since each asking is a system call.
    """

    def __init__(self) -> None:
        self.number = threading.get_native_id()
        self.accepts = False
        self.accept_ns = 0
        """When its last connection had come."""


current = CurrentThread()
plain_recv, plain_send = socket.socket.recv, socket.socket.send
plain_recvmsg: Any = getattr(socket.socket, "recvmsg", None)  # Windows has none, and no stamps


class Recorder:
    """The rows of one run, and the listening socket that begins them."""

    clock = staticmethod(clock)

    def __init__(self, plain_connections: bool = False) -> None:
        self.rows: deque[Row] = deque(maxlen=MOST_ROWS)
        self.log = self.rows.append
        self.plain_connections = plain_connections
        self.numbers: dict[int, int] = {}
        self.following = itertools.count()
        """Numbers for connections; two threads at once never draw the same."""
        self.stamped = False
        self.offset_ns = timestamps.offset_ns()

    @property
    def complete(self) -> bool:
        """Whether every call is there."""
        return len(self.rows) < MOST_ROWS

    def listen(self) -> ListeningSocket:
        """Return a listening socket that records its accepts and whose connections record themselves."""
        listening = listen(kind=RecordingListeningSocket)
        assert isinstance(listening, RecordingListeningSocket)
        listening.recorder = self
        # Accepted sockets inherit it. The kernel needs a moment to begin with its stamps.
        self.stamped = not self.plain_connections and timestamps.enable(listening)
        return listening

    def connection(self, plain: socket.socket) -> socket.socket:
        """Number a connection, and return one in its place that records what is called on it."""
        number = next(self.following)
        self.numbers[plain.fileno()] = number
        if self.plain_connections:
            return plain
        kind = StampedConnection if self.stamped else RecordingConnection
        connection = kind(plain.family, plain.type, plain.proto, fileno=plain.detach())
        connection.number, connection.log = number, self.log
        return connection

    @contextmanager
    def log_call(self, name: str, descriptor: int) -> Iterator[None]:
        """Record what happens in a `with` block as one call on the connection of this descriptor."""
        result: int | str = 0
        start_ns = clock()
        try:
            yield
        except OSError as error:
            result = error_name(error)
            raise
        finally:
            self.log((name, self.numbers.get(descriptor), start_ns, clock(), result, current.number, None))

    def log_wait(self, name: str, start_ns: int, ready: int) -> None:
        """Record a wait for many that has just ended."""
        self.log((name, None, start_ns, clock(), ready, current.number, None))

    def log_completion(self, name: str, descriptor: int, result: int) -> None:
        """Record that the server learns now that something is done for it; a negative result is an error."""
        start_ns = clock()
        outcome = result if result >= 0 else errno.errorcode.get(-result, str(result))
        self.log((name, self.numbers.get(descriptor), start_ns, clock(), outcome, current.number, None))


class RecordingListeningSocket(ListeningSocket):
    """A listening socket that records its accepts."""

    recorder: Recorder

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept as ListeningSocket does, and record it."""
        recorder, start_ns = self.recorder, clock()
        current.accepts = True  # in this thread: others may be in accept, too
        try:
            connection, peer = super().accept()
        except (OSError, Stopped) as error:
            recorder.log(("accept", None, start_ns, clock(), error_name(error), current.number, None))
            raise
        finally:
            current.accepts = False
        number = recorder.numbers[connection.fileno()]
        there_ns = start_ns if self.gettimeout() == 0 else None
        recorder.log(("accept", number, start_ns, current.accept_ns, connection.fileno(), current.number, there_ns))
        return connection, peer

    def remember(self, connection: socket.socket) -> socket.socket:
        """Take charge of a connection, which from here on records itself."""
        current.accept_ns = clock()
        recording = super().remember(self.recorder.connection(connection))
        if not current.accepts:
            self.recorder.log_completion("accepted", recording.fileno(), recording.fileno())
        return recording


class RecordingConnection(socket.socket):
    """A connection that records its calls."""

    number: int
    log: Any

    def recv(self, size_bytes: int, flags: int = 0, /) -> bytes:
        """Receive, and record how much it was."""
        start_ns = clock()
        try:
            data = plain_recv(self, size_bytes, flags)
        except OSError as error:
            self._failed("recv", start_ns, error)
            raise
        self.log(("recv", self.number, start_ns, clock(), len(data), current.number, self._there_by(start_ns)))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer, by way of `recv`: it is the same system call, and this copy is not in its time."""
        room = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(room), flags)
        room[: len(data)] = data
        return len(data)

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send what the buffer takes, and record how much that was."""
        start_ns = clock()
        try:
            sent = plain_send(self, data, flags)
        except OSError as error:
            self._failed("send", start_ns, error)
            raise
        self.log(("send", self.number, start_ns, clock(), sent, current.number, None))
        return sent

    def sendmsg(self, buffers: Any, *rest: Any) -> int:
        """Send from several buffers, and record it as `send`."""
        start_ns = clock()
        try:
            sent = super().sendmsg(buffers, *rest)
        except OSError as error:
            self._failed("send", start_ns, error)
            raise
        self.log(("send", self.number, start_ns, clock(), sent, current.number, None))
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all, and record it as one call; the kernel may have needed several."""
        start_ns = clock()
        try:
            super().sendall(data, flags)
        except OSError as error:
            self._failed("sendall", start_ns, error)
            raise
        self.log(("sendall", self.number, start_ns, clock(), len(data), current.number, None))

    def close(self) -> None:
        """Close, and record it once."""
        if self.fileno() >= 0:
            start_ns = clock()
            super().close()
            self.log(("close", self.number, start_ns, clock(), 0, current.number, None))

    def _there_by(self, start_ns: int) -> int | None:
        """Return by when the data of a call that has succeeded was there: without waiting, from the start."""
        return start_ns if self.gettimeout() == 0 else None

    def _failed(self, name: str, start_ns: int, error: OSError) -> None:
        self.log((name, self.number, start_ns, clock(), error_name(error), current.number, None))


class StampedConnection(RecordingConnection):
    """A connection that also records when what it receives arrived, by the kernel's stamp."""

    def recv(self, size_bytes: int, flags: int = 0, /) -> bytes:
        """Receive, and keep the stamp."""
        start_ns = clock()
        try:
            data: bytes
            data, stamps, _, _ = plain_recvmsg(self, size_bytes, ROOM_BYTES, flags)
        except OSError as error:
            self._failed("recv", start_ns, error)
            raise
        stamp = stamps[0][2] if stamps else None
        self.log(("recv", self.number, start_ns, clock(), len(data), current.number, stamp))
        return data


def error_name(error: BaseException) -> str:
    """Return the kernel's name of an error, such as EAGAIN; of the one behind it, if that is no error of the kernel."""
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return error_name(error.__context__) if error.__context__ else type(error).__name__
