"""POSIX asynchronous I/O of glibc (`aio(7)`): threads of the library do blocking reads and writes."""

import ctypes
import errno
import mmap
import os
import sys
from functools import cache
from typing import Any, Self

from iolab.settings import AIO_HELPERS

GLIBC_HELPERS = 20
"""Helper threads that glibc gives a process by default; each does one read or write at a time."""

HELPERS = 4096
"""How many the course asks for, unless IOLAB_AIO_HELPERS says otherwise."""

SIGEV_NONE, SHUT_RDWR = 1, 2
_ROOM = 64
_helpers: list[int] = []


class ControlBlock(ctypes.Structure):
    """The `struct aiocb` of glibc on 64-bit machines; what is not set here is zero."""

    _fields_ = (
        ("descriptor", ctypes.c_int),
        ("_unused", ctypes.c_int * 2),
        ("address", ctypes.c_void_p),
        ("size_bytes", ctypes.c_size_t),
        ("_signal", ctypes.c_int * 3),
        ("notify", ctypes.c_int),
        ("_internal", ctypes.c_char * 120),
    )


class Request:
    """A control block and the memory that it points to, which must live until the request has ended."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.block = ControlBlock(notify=SIGEV_NONE)
        self.address = ctypes.addressof(self.block)
        self._buffer: Any = None
        self._data: bytes | None = None

    def receive(self, descriptor: int, size_bytes: int) -> None:
        """Point to a buffer, the one used before if it is large enough."""
        if self._buffer is None or len(self._buffer) < size_bytes:
            self._buffer = mmap.mmap(-1, size_bytes)  # takes no memory until something is written into it
        self._point(descriptor, ctypes.addressof(ctypes.c_char.from_buffer(self._buffer)), size_bytes)

    def send(self, descriptor: int, data: bytes) -> None:
        """Point to these bytes, without a copy."""
        self._data = data
        self._point(descriptor, ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value, len(data))

    def finish(self, result: int) -> tuple[int, int, bytes]:
        """Return the descriptor, the result, and the bytes of a read."""
        received = b"" if self._data is not None or result <= 0 else self._buffer[:result]
        self._data = None
        return self.block.descriptor, result, received

    def _point(self, descriptor: int, address: int | None, size_bytes: int) -> None:
        self.block.descriptor, self.block.address, self.block.size_bytes = descriptor, address, size_bytes


class Requests:
    """The reads and writes that the library is doing for one thread.

    The end of a `with` block shuts down the sockets of those that are pending, because a
    read that has begun cannot be cancelled (`aio_cancel(3)`), and waits for their end:
    until then a helper thread may write into their buffers.
    """

    def __init__(self) -> None:
        init()
        self._libc = library()
        self._suspend = ctypes.CDLL(None, use_errno=True).aio_suspend
        self._pending: set[Request] = set()
        self._idle: list[Request] = []
        self._addresses = (ctypes.c_void_p * 0)()

    def read(self, descriptor: int, size_bytes: int) -> None:
        """Ask for up to so many bytes (`aio_read(3)`). Raise OSError if the library takes no more requests."""
        request = self._request()
        request.receive(descriptor, size_bytes)
        self._begin(request, self._libc.aio_read)

    def write(self, descriptor: int, data: bytes) -> None:
        """Ask for bytes to be sent (`aio_write(3)`). Raise OSError if the library takes no more requests."""
        request = self._request()
        request.send(descriptor, data)
        self._begin(request, self._libc.aio_write)

    def wait(self) -> list[tuple[int, int, bytes]]:
        """Sleep until a request has ended (`aio_suspend(3)`), and return all that have.

        Each is a descriptor, the number of bytes or minus the error's number, and the bytes of a read.
        """
        while self._suspend(self._addresses, len(self._addresses), None):
            if ctypes.get_errno() != errno.EINTR:
                raise last_error()
        state = self._libc.aio_error
        states = [(request, state(request.address)) for request in self._pending]
        return [self._end(request, code) for request, code in states if code != errno.EINPROGRESS]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for request in self._pending:
            self._libc.shutdown(request.block.descriptor, SHUT_RDWR)
        while self._pending:
            self.wait()

    def _request(self) -> Request:
        if not self._idle:
            place = len(self._addresses)
            self._addresses = (ctypes.c_void_p * (place + _ROOM))(*self._addresses)
            self._idle = [Request(place) for place in reversed(range(place, place + _ROOM))]
        return self._idle.pop()

    def _begin(self, request: Request, function: Any) -> None:
        if function(request.address):
            self._idle.append(request)
            raise last_error()
        self._pending.add(request)
        self._addresses[request.place] = request.address

    def _end(self, request: Request, code: int) -> tuple[int, int, bytes]:
        self._addresses[request.place] = None
        self._pending.remove(request)
        self._idle.append(request)
        result = self._libc.aio_return(request.address)
        return request.finish(-code if code else result)


@cache
def library() -> Any:
    """Return the C library, called without releasing the GIL: of these calls only aio_suspend sleeps."""
    libc = ctypes.PyDLL(None, use_errno=True)
    for function in (libc.aio_read, libc.aio_write, libc.aio_error, libc.aio_return):
        function.argtypes = [ctypes.c_void_p]
    libc.aio_return.restype = ctypes.c_ssize_t
    return libc


def init(helpers: int | None = None) -> int:
    """Ask glibc for helper threads, and return how many it was asked for: the first call counts.

    After the first request of a process no call changes it (`aio_init(3)`). So a run with
    GLIBC_HELPERS, in which later clients have to wait, needs a process of its own.
    """
    if not _helpers:
        _helpers.append(helpers or int(helpers_setting()))
        library().aio_init((ctypes.c_int * 8)(_helpers[0], _ROOM))
    return _helpers[0]


def helpers_setting() -> str:
    """Return what IOLAB_AIO_HELPERS says, or HELPERS."""
    return os.environ.get(AIO_HELPERS, str(HELPERS))


def last_error() -> OSError:
    """Return the error of the last call (`errno(3)`)."""
    return OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def why_not() -> str | None:
    """Say why there is no asynchronous I/O of glibc here, or return None."""
    if sys.platform != "linux" or sys.maxsize <= 1 << 32:
        return "aio_read is used here as in the C library of 64-bit Linux, and this system has another"
    if not hasattr(ctypes.CDLL(None), "aio_init"):
        return "aio_read is used here as in glibc, and this Python has another C library, such as musl"
    helpers = helpers_setting()
    if not helpers.isdecimal() or not 0 < int(helpers) < 1 << 31:
        return f"{AIO_HELPERS} should be a number of helper threads, such as {GLIBC_HELPERS}, but is {helpers!r}"
    return None
