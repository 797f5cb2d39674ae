"""Model: I/O multiplexing with select.
Waits in: select.
Readiness or completion: readiness; every call hands the kernel the interest, and gets what is ready.
State per connection: a socket, and the bytes that it is owed.
Runs the reply: in the one thread, between two waits.
Breaks when: a reply takes long; many are idle; a descriptor is 1024 or more: it is turned away.
"""

from select import select
from socket import socket

from iolab.listening import RECEIVE_BYTES, Respond

FD_SETSIZE = 1024


def serve(listening: socket, respond: Respond) -> None:
    """Wait for all connections at once, and serve those that are ready."""
    listening.setblocking(False)
    connections: dict[int, socket] = {}
    unsent: dict[int, memoryview] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            return
        if connection.fileno() >= FD_SETSIZE:  # select has no bit for it (select(2))
            connection.close()
            return
        connection.setblocking(False)
        connections[connection.fileno()] = connection
        interest.add(connection.fileno())

    def receive(descriptor: int) -> None:
        request = connections[descriptor].recv(RECEIVE_BYTES)
        if request:
            send(descriptor, respond(request))
        else:
            close(descriptor)

    def send(descriptor: int, reply: bytes | memoryview) -> None:
        try:
            sent = connections[descriptor].send(reply)
        except BlockingIOError:
            sent = 0
        if sent < len(reply):  # the peer is slow: read no more until it has its reply
            unsent[descriptor] = memoryview(reply)[sent:]
            interest.discard(descriptor)
        elif unsent.pop(descriptor, None):
            interest.add(descriptor)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        interest.discard(descriptor)
        connections.pop(descriptor).close()

    interest = {listening.fileno()}
    while True:
        readable, writable, _ = select(interest, unsent, ())
        for descriptor in readable + writable:
            try:
                if descriptor == listening.fileno():
                    accept()
                elif descriptor in unsent:
                    send(descriptor, unsent[descriptor])
                else:
                    receive(descriptor)
            except BlockingIOError:  # ready was a hint; it no longer is
                pass
            except OSError:  # reset by the peer
                close(descriptor)
