"""Faults of a connection: resets, single bytes, and a peer that asks and does not read."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from iolab.errors import LoadFailed
from iolab.kernel import threads
from iolab.listening import resolve

Address = tuple[str, int]

CALL_TIMEOUT_S = 30.0
"""How long a call on a connection may wait before it raises TimeoutError."""

QUIET_S = 0.2
"""A peer that takes no byte for this long takes no more."""

RECEIVE_BYTES = 1 << 18


def connect(address: Address) -> socket.socket:
    """Connect without Nagle's delay (`tcp(7)`), and with CALL_TIMEOUT_S for every call."""
    connection = socket.create_connection(address, CALL_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def connect_narrow(address: Address) -> socket.socket:
    """Connect with the smallest receive buffer there is, so that a long reply takes hundreds of partial sends."""
    family, resolved = resolve(*address)
    connection = socket.socket(family)
    connection.settimeout(CALL_TIMEOUT_S)
    # Before connecting: the window announced to the peer then only grows (tcp(7)).
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(resolved)
    return connection


def reset(*connections: socket.socket) -> None:
    """Close connections with a reset in place of an end of file: SO_LINGER of 0 seconds (`socket(7)`)."""
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def reset_midway(address: Address, request: bytes = b"half a req") -> None:
    """Send a request, or a part of one, and reset the connection without waiting for the reply.

    With an empty request, the reset is all that the server sees.
    """
    connection = connect(address)
    connection.sendall(request)
    reset(connection)


def reset_together(address: Address, count: int, request: bytes = b"half a req") -> None:
    """Open `count` connections, send a request on each, and reset all of them at once."""
    connections = [connect(address) for _ in range(count)]
    for connection in connections:
        connection.sendall(request)
    reset(*connections)


def connect_and_close(address: Address, times: int) -> None:
    """Open a connection and close it without sending anything, again and again."""
    for _ in range(times):
        connect(address).close()


def one_byte_at_a_time(connection: socket.socket, request: bytes) -> None:
    """Send a request in as many segments as it has bytes."""
    for number in request:
        connection.send(bytes((number,)))


def urgent_byte(connection: socket.socket) -> None:
    """Send a byte of urgent data: TCP takes it out of the stream, so the server owes it no reply (`tcp(7)`)."""
    connection.send(b"!", socket.MSG_OOB)


def receive_all(connection: socket.socket, bite_bytes: int = RECEIVE_BYTES) -> bytes:
    """Receive until the end of file, at most `bite_bytes` a call."""
    received = bytearray()
    while chunk := connection.recv(bite_bytes):
        received += chunk
    return bytes(received)


class SlowReader:
    """A connection that asks and does not read, until the server takes no more of it."""

    def __init__(self, connection: socket.socket, request: bytes) -> None:
        self.connection = connection
        self.asked_bytes = 0
        self._request = request
        self._block = memoryview(request * (1 + RECEIVE_BYTES // len(request)))

    def fill(self, least_bytes: int, most_bytes: int) -> None:
        """Send without reading until at least `least_bytes` are taken, and then no byte for QUIET_S."""
        deadline = time.monotonic() + CALL_TIMEOUT_S
        self.connection.settimeout(QUIET_S)
        while self.asked_bytes < most_bytes:
            try:
                self.asked_bytes += self.connection.send(self._block[self.asked_bytes % len(self._block) :])
            except TimeoutError:
                if self.asked_bytes >= least_bytes:
                    break
                if time.monotonic() > deadline:
                    raise LoadFailed(
                        f"the server took {self.asked_bytes} bytes from a client that does not read, and then no more; "
                        f"expected {least_bytes}; ask for less"
                    ) from None
        self.connection.settimeout(CALL_TIMEOUT_S)

    def read_again(self) -> bytes:
        """Complete the last request, half-close, and return every reply that was owed."""
        # A thread of its own: it may have to wait for us to read.
        sender = threads.start(threading.Thread(target=self._finish, daemon=True))
        replies = receive_all(self.connection)
        sender.join()
        return replies

    def _finish(self) -> None:
        cut_off = self.asked_bytes % len(self._request)
        rest = self._request[cut_off:] if cut_off else b""
        with suppress(OSError):  # read_again sees the same end, and reports it
            self.connection.sendall(rest)
            self.asked_bytes += len(rest)
            self.connection.shutdown(socket.SHUT_WR)


@contextmanager
def slow_reader(
    address: Address, request: bytes = b"question", *, least_bytes: int = 1 << 20, most_bytes: int = 1 << 28
) -> Iterator[SlowReader]:
    """Repeat a request without reading any reply, until the server takes no more: then megabytes are owed.

    At least `least_bytes` are sent. A server that takes `most_bytes` does not push back.
    Call `read_again()` for what is owed.
    """
    with connect(address) as connection:
        reader = SlowReader(connection, request)
        reader.fill(least_bytes, most_bytes)
        yield reader
