"""Servers and clients of the tests' own, right and wrong, to hold iolab's against."""

import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

Address = tuple[str, int]
DEAD: Address = ("127.0.0.1", 1)
"""Where nobody listens, and nobody will: a port that was free a moment ago is soon given to a test beside this one."""

Converse = Callable[[socket.socket, int], None]
"""What a server does with a connection and its number, in a thread of that connection."""


class Peer:
    """A server that does what the test says, one thread a connection; its address is `address`."""

    def __init__(self, converse: Converse) -> None:
        self.converse = converse
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.address: Address = self.listening.getsockname()
        self.connections: list[socket.socket] = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.failures: list[Exception] = []

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:  # shut down
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self.serve, args=(connection, len(self.connections)), daemon=True)
            self.connections.append(connection)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection:
                self.converse(connection, number)
        except OSError:  # the client was faster
            pass
        except Exception as error:  # shown by __exit__
            self.failures.append(error)

    def __enter__(self) -> Self:
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        for thread in self.threads:
            thread.join()
        self.listening.close()
        assert not self.failures

    def die(self) -> None:
        """Shut everything down, as a server does that is killed."""
        if self.threads[0].is_alive():
            self.listening.shutdown(socket.SHUT_RDWR)
            self.threads[0].join()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def upper(connection: socket.socket, number: int) -> None:
    """Answer everything in upper case."""
    while request := connection.recv(65536):
        connection.sendall(request.upper())


def replying(reply: Callable[[bytes, int, int], bytes]) -> Converse:
    """Return a server whose replies are `reply(request, connection, turn)`; requests must fit one `recv`."""

    def converse(connection: socket.socket, number: int) -> None:
        turn = 0
        while request := connection.recv(65536):
            connection.sendall(reply(request, number, turn))
            turn += 1

    return converse


def silent(connection: socket.socket, number: int) -> None:
    """Take everything and say nothing."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Close with a reset instead of an end of file."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def connect(address: Address, timeout_s: float = 10) -> socket.socket:
    return socket.create_connection(address, timeout=timeout_s)


def ask(connection: socket.socket, request: bytes = b"question") -> bytes:
    """Send a request, and return as many bytes of reply."""
    connection.sendall(request)
    reply = b""
    while len(reply) < len(request) and (chunk := connection.recv(65536)):
        reply += chunk
    return reply


@contextmanager
def watched(pid: int) -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits for the end of a process, any process, and says whether it came."""
    descriptor = os.pidfd_open(pid)
    try:
        yield lambda timeout_s: bool(select.select([descriptor], [], [], timeout_s)[0])
    finally:
        os.close(descriptor)
