"""Model: one process accepts, and hands each connection to one of several others, which wait in epoll.
Waits in: accept in the parent; epoll_wait in each worker.
Readiness or completion: readiness; a worker hears of a connection when its descriptor comes (SCM_RIGHTS, unix(7)).
State per connection: a socket in the process that it was handed to, and the bytes that it is owed.
Runs the reply: in that process, between two waits; as many at once as there are workers.
Breaks when: connections come faster than one process can accept them and hand them on.
"""

from signal import SIGCHLD, signal
from socket import recv_fds, send_fds, socket, socketpair

from iolab.listening import ListeningSocket, Respond, Stopped
from iolab.servers import epoll
from iolab.workers.apart import run_apart
from iolab.workers.crew import Connection, Crew, WorkersSocket


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Run the parent in a process of its own: one with threads, as a notebook has, must not fork."""
    run_apart(parent, listening, respond)


def parent(crew: Crew, listening: WorkersSocket, respond: Respond) -> None:
    """Accept every connection, and hand it to the next worker in turn; fork another for each that died."""
    signal(SIGCHLD, lambda *_: crew.reap())
    ways: list[socket] = []
    while True:
        while len(crew) < crew.size:  # with no connection open, which a fork would copy: its peer would see no end
            ways.append(hire(crew, listening, ways, respond))
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            continue
        with connection:  # once it was sent, the worker's copy keeps it open
            hand_on(connection, ways)


def hand_on(connection: socket, ways: list[socket]) -> None:
    """Send a connection to the worker whose turn it is; if that one has died, to the next."""
    while ways:
        way = ways.pop(0)
        try:
            send_fds(way, [b"."], [connection.fileno()])
        except OSError:
            way.close()
        else:
            ways.append(way)
            return


def hire(crew: Crew, listening: ListeningSocket, ways: list[socket], respond: Respond) -> socket:
    """Fork a worker, and return the socket on which it takes connections."""
    ours, theirs = socketpair()
    with Way(crew, theirs.detach()) as way:  # the worker keeps a copy
        crew.fork(work, way, [listening, ours, *ways], respond)
    return ours


def work(way: "Way", others: list[socket], respond: Respond) -> None:
    """Serve what comes on this way as the epoll server does, without what the fork copied."""
    for other in others:
        other.close()
    epoll.serve(way, respond)


class Way(socket):
    """A socket on which connections come; like a listening socket it is readable, and `accept` takes the next."""

    def __init__(self, crew: Crew, descriptor: int) -> None:
        super().__init__(fileno=descriptor)
        self.crew = crew

    def accept(self) -> tuple[socket, None]:
        """Return the next connection that was handed over."""
        _, descriptors, _, _ = recv_fds(self, 1, 1)
        if not descriptors:  # the parent is gone
            raise Stopped
        return Connection(self.crew, descriptors[0]), None
