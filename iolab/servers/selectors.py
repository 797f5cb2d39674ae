"""Model: I/O multiplexing with callbacks, on selectors.DefaultSelector.
Waits in: the best system call of the platform: epoll_wait on Linux, kevent on macOS.
Readiness or completion: readiness; the selector keeps the interest, and with it whom to call.
State per connection: a socket, its callback, and the bytes that it is owed.
Runs the reply: in the one thread, between two waits.
Breaks when: a reply takes long: every other connection waits for it.
"""

from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from socket import socket
from typing import cast

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Wait for all connections at once, and call back for those that are ready."""
    listening.setblocking(False)
    unsent: dict[socket, memoryview] = {}

    def accept(listening: socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            return
        connection.setblocking(False)
        interest.register(connection, EVENT_READ, receive)

    def receive(connection: socket) -> None:
        request = connection.recv(RECEIVE_BYTES)
        if request:
            send(connection, respond(request))
        else:
            close(connection)

    def send(connection: socket, reply: bytes | memoryview) -> None:
        try:
            sent = connection.send(reply)
        except BlockingIOError:
            sent = 0
        if sent < len(reply):  # the peer is slow: read no more until it has its reply
            unsent[connection] = memoryview(reply)[sent:]
            interest.modify(connection, EVENT_WRITE, resume)
        elif unsent.pop(connection, None):
            interest.modify(connection, EVENT_READ, receive)

    def resume(connection: socket) -> None:
        send(connection, unsent[connection])

    def close(connection: socket) -> None:
        unsent.pop(connection, None)
        interest.unregister(connection)
        connection.close()

    with DefaultSelector() as interest:
        interest.register(listening, EVENT_READ, accept)
        while True:
            for key, _ in interest.select():
                callback, connection = key.data, cast("socket", key.fileobj)
                try:
                    callback(connection)
                except BlockingIOError:  # ready was a hint; it no longer is
                    pass
                except OSError:  # reset by the peer
                    close(connection)
