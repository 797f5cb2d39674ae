"""Model: I/O multiplexing in several processes, forked beforehand, on one listening socket.
Waits in: epoll_wait in each worker; the parent sleeps until one of them ends.
Readiness or completion: readiness; a connection makes the one listening socket ready for all workers.
State per connection: a socket in the process that accepted it, and the bytes that it is owed.
Runs the reply: in that process, between two waits; as many at once as there are workers.
Breaks when: a connection comes: every idle worker may wake for it, and one gets it (the thundering herd).
"""

from iolab.listening import ListeningSocket, Respond
from iolab.servers import epoll
from iolab.workers.apart import run_apart
from iolab.workers.crew import Crew, WorkersSocket


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Run the parent in a process of its own: one with threads, as a notebook has, must not fork."""
    run_apart(parent, listening, respond)


def parent(crew: Crew, listening: WorkersSocket, respond: Respond) -> None:
    """Keep one worker for each CPU: fork them, and another in the place of each that dies."""
    while True:
        while len(crew) < crew.size:
            crew.fork(epoll.serve, listening, respond)
        crew.wait()
