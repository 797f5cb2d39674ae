"""Model: non-blocking I/O, one loop that asks every socket in turn.
Waits in: nothing; every call returns at once, with EAGAIN where it has nothing to give.
Readiness or completion: neither; the program asks again and again.
State per connection: a socket, and the bytes that it is owed.
Runs the reply: in the one thread, between two questions.
Breaks when: always; it uses a whole CPU even when idle, and every round asks every connection.
"""

from socket import socket

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Ask all connections in turn, and serve those that have something."""
    listening.setblocking(False)
    connections: dict[int, socket] = {}
    unsent: dict[int, memoryview] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # nobody is there, or the peer gave up in the backlog
            return
        connection.setblocking(False)
        connections[connection.fileno()] = connection

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
        else:
            unsent.pop(descriptor, None)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        connections.pop(descriptor).close()

    while True:
        accept()
        for descriptor in list(connections):
            try:
                if descriptor in unsent:
                    send(descriptor, unsent[descriptor])
                else:
                    receive(descriptor)
            except BlockingIOError:  # it has nothing yet
                pass
            except OSError:  # reset by the peer
                close(descriptor)
