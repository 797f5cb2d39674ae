"""Model: coroutines on an event loop from scratch: generators and a selector.
Waits in: the selector's system call, epoll_wait on Linux; a coroutine waits in `yield`.
Readiness or completion: readiness; the loop resumes the coroutine, which then makes its call.
State per connection: a suspended generator: where it stands, and its local variables.
Runs the reply: in the one thread, between two yields.
Breaks when: a reply takes long: no other coroutine is resumed before it yields.
"""

from collections.abc import Generator
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector, SelectorKey
from socket import socket

from iolab.listening import RECEIVE_BYTES, Respond

Coroutine = Generator[int, None, None]
"""It yields what its socket should be ready for, and is resumed when it is."""


def serve(listening: socket, respond: Respond) -> None:
    """Run a coroutine for every connection, and one that accepts them."""
    listening.setblocking(False)

    def accept() -> Coroutine:
        while True:
            yield EVENT_READ
            try:
                connection, _ = listening.accept()
            except OSError:  # the peer gave up while it waited in the backlog
                continue
            connection.setblocking(False)
            start(connection, converse(connection))

    def converse(connection: socket) -> Coroutine:
        try:
            while request := (yield from receive(connection)):
                yield from send(connection, respond(request))
        except OSError:  # reset by the peer
            pass
        close(connection)

    def receive(connection: socket) -> Generator[int, None, bytes]:
        while True:
            yield EVENT_READ
            try:
                return connection.recv(RECEIVE_BYTES)
            except BlockingIOError:  # ready was a hint; it no longer is
                continue

    def send(connection: socket, reply: bytes | memoryview) -> Coroutine:
        while True:
            try:
                sent = connection.send(reply)
            except BlockingIOError:
                sent = 0
            if sent == len(reply):
                return
            reply = memoryview(reply)[sent:]  # the peer is slow: read no more until it has its reply
            yield EVENT_WRITE

    def close(connection: socket) -> None:
        interest.unregister(connection.fileno())
        connection.close()

    def start(waiting: socket, coroutine: Coroutine) -> None:
        interest.register(waiting.fileno(), next(coroutine), coroutine)

    def resume(key: SelectorKey) -> None:
        try:
            events = next(key.data)
        except StopIteration:
            return
        if events != key.events:
            interest.modify(key.fd, events, key.data)

    with DefaultSelector() as interest:
        start(listening, accept())
        while True:
            for key, _ in interest.select():
                resume(key)
