"""Model: blocking I/O, a fixed number of threads that share accept.
Waits in: accept, recv and send, in every thread.
Readiness or completion: neither; a call returns when its work is done.
State per connection: the thread that accepted it, for as long as it lasts.
Runs the reply: in that thread.
Breaks when: more clients are connected than there are threads: the others wait in the backlog.
"""

from socket import socket
from threading import Thread

from iolab.listening import RECEIVE_BYTES, Respond, Stopped

THREADS = 64


def serve(listening: socket, respond: Respond) -> None:
    """Let all threads wait in accept on the one socket: the kernel wakes one of them for each connection."""
    for _ in range(THREADS - 1):
        Thread(target=accept, args=(listening, respond), daemon=True).start()
    accept(listening, respond)


def accept(listening: socket, respond: Respond) -> None:
    """Accept a connection, serve it to its end, and accept the next."""
    while True:
        try:
            connection, _ = listening.accept()
        except Stopped:
            return
        except OSError:  # the peer gave up while it waited in the backlog
            continue
        converse(connection, respond)


def converse(connection: socket, respond: Respond) -> None:
    """Answer every request of one connection until its end of file."""
    with connection:
        try:
            while request := connection.recv(RECEIVE_BYTES):
                connection.sendall(respond(request))
        except OSError:  # reset by the peer
            pass
