"""Model: I/O multiplexing in several processes, each with a listening socket of its own on one port.
Waits in: epoll_wait in each worker; the parent sleeps until one of them ends.
Readiness or completion: readiness; the kernel draws a listening socket for each connection (SO_REUSEPORT, socket(7)).
State per connection: a socket in the process that accepted it, and the bytes that it is owed.
Runs the reply: in that process, between two waits; as many at once as there are workers.
Breaks when: a worker stalls: the connections that were drawn for it wait in its backlog, while others are idle.
"""

from collections.abc import Sequence

from iolab.listening import ListeningSocket, Respond
from iolab.servers import epoll
from iolab.workers.apart import run_apart
from iolab.workers.crew import Crew, WorkersSocket


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Run the parent in a process of its own: one with threads, as a notebook has, must not fork."""
    run_apart(parent, listening, respond)


def parent(crew: Crew, listening: WorkersSocket, respond: Respond) -> None:
    """Keep one worker for each listening socket. The parent holds all of them: a backlog outlives its worker."""
    sockets = [listening, *(listening.twin() for _ in range(crew.size - 1))]
    serving: dict[int, WorkersSocket] = {}
    while True:
        for own in sockets:
            if own not in serving.values():
                serving[crew.fork(work, own, sockets, respond)] = own
        for process in crew.wait():
            del serving[process]


def work(own: WorkersSocket, sockets: Sequence[WorkersSocket], respond: Respond) -> None:
    """Serve one of the sockets as the epoll server does, without the others, which were copied by the fork."""
    for other in sockets:
        if other is not own:
            other.close()
    epoll.serve(own, respond)
