"""Model: I/O multiplexing in several processes on one listening socket, of which one is woken for each connection.
Waits in: epoll_wait in each worker; the parent sleeps until one of them ends.
Readiness or completion: readiness; a connection wakes one waiting worker, or few (EPOLLEXCLUSIVE, epoll_ctl(2)).
State per connection: a socket in the process that accepted it, and the bytes that it is owed.
Runs the reply: in that process, between two waits; as many at once as there are workers.
Breaks when: the load is light: one worker is woken first, again and again, and takes most of the connections.
"""

from select import EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT, epoll
from socket import socket

from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond
from iolab.workers.apart import run_apart
from iolab.workers.crew import Crew, WorkersSocket


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Run the parent in a process of its own: one with threads, as a notebook has, must not fork."""
    run_apart(parent, listening, respond)


def parent(crew: Crew, listening: WorkersSocket, respond: Respond) -> None:
    """Keep one worker for each CPU: fork them, and another in the place of each that dies."""
    while True:
        while len(crew) < crew.size:
            crew.fork(work, listening, respond)
        crew.wait()


def work(listening: socket, respond: Respond) -> None:
    """Wait for all connections of this worker at once, and serve those that are ready."""
    listening.setblocking(False)
    connections: dict[int, socket] = {}
    unsent: dict[int, memoryview] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:  # another worker was faster, or the peer gave up
            return
        connection.setblocking(False)
        connections[connection.fileno()] = connection
        interest.register(connection, EPOLLIN)

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
            interest.modify(descriptor, EPOLLOUT)
        elif unsent.pop(descriptor, None):
            interest.modify(descriptor, EPOLLIN)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        interest.unregister(descriptor)  # or a fork's copy keeps it (epoll(7))
        connections.pop(descriptor).close()

    with epoll() as interest:
        interest.register(listening, EPOLLIN | EPOLLEXCLUSIVE)
        while True:
            for descriptor, _ in interest.poll():
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
