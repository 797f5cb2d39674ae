"""Model: blocking I/O, one process per connection.
Waits in: accept in the parent; recv and send in one child per connection.
Readiness or completion: neither; a call returns when its work is done.
State per connection: a process, with memory of its own.
Runs the reply: in the process of the connection; as many at once as there are CPUs.
Breaks when: the machine has no room for one more process: the connection is turned away.
"""

from signal import SIGCHLD, signal
from socket import socket

from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond
from iolab.workers.apart import run_apart
from iolab.workers.crew import Crew, WorkersSocket


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Run the parent in a process of its own: one with threads, as a notebook has, must not fork."""
    run_apart(parent, listening, respond)


def parent(crew: Crew, listening: WorkersSocket, respond: Respond) -> None:
    """Fork a child for every connection."""
    signal(SIGCHLD, lambda *_: crew.reap())  # one signal may stand for several children (signal(7))
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            continue
        try:
            crew.fork(converse, listening, connection, respond)
        except OSError:  # the machine has no room for one more process
            pass
        connection.close()  # the child has a copy, and the peer sees the end of file when both are closed


def converse(listening: socket, connection: socket, respond: Respond) -> None:
    """Answer every request of one connection until its end of file."""
    listening.close()
    with connection:
        try:
            while request := connection.recv(RECEIVE_BYTES):
                connection.sendall(respond(request))
        except OSError:  # reset by the peer
            pass
