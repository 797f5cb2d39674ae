"""Model: I/O multiplexing with epoll, edge-triggered.
Waits in: epoll_wait.
Readiness or completion: readiness, told once, when it begins; the program remembers it until EAGAIN.
State per connection: a socket, whether it is ready, and the bytes that it is owed.
Runs the reply: in the one thread, between two waits.
Breaks when: a reply takes long; or a program waits before EAGAIN: what is left brings no event.
"""

from select import EPOLLET, EPOLLIN, EPOLLOUT, epoll
from socket import socket

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Wait for all connections at once, and serve those that are ready."""
    listening.setblocking(False)
    connections: dict[int, socket] = {}
    unsent: dict[int, memoryview] = {}
    ready: dict[int, int] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:  # drained
            raise
        except OSError:  # the peer gave up while it waited in the backlog
            return
        connection.setblocking(False)
        connections[connection.fileno()] = connection
        interest.register(connection, EPOLLIN | EPOLLOUT | EPOLLET)

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
            del ready[descriptor]
        else:
            unsent.pop(descriptor, None)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        del ready[descriptor]
        interest.unregister(descriptor)  # or a fork's copy keeps it (epoll(7))
        connections.pop(descriptor).close()

    with epoll() as interest:
        interest.register(listening, EPOLLIN | EPOLLET)
        while True:
            ready.update(interest.poll(0 if ready else None))
            for descriptor in list(ready):  # one step each: a busy one holds up nobody
                try:
                    if descriptor == listening.fileno():
                        accept()
                    elif descriptor in unsent:
                        send(descriptor, unsent[descriptor])
                    else:
                        receive(descriptor)
                except BlockingIOError:  # drained: the next edge will tell
                    del ready[descriptor]
                except OSError:  # reset by the peer
                    close(descriptor)
