"""Model: blocking I/O, one thread per connection.
Waits in: accept in one thread; recv and send in one thread per connection.
Readiness or completion: neither; a call returns when its work is done.
State per connection: a thread, with its stack.
Runs the reply: in the thread of the connection.
Breaks when: the machine has no room for one more thread: the connection is turned away.
"""

from socket import socket
from threading import Thread

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Give every connection a thread of its own."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # the peer gave up while it waited in the backlog
            continue
        try:
            Thread(target=converse, args=(connection, respond), daemon=True).start()
        except RuntimeError:  # the machine has no room for one more thread
            connection.close()


def converse(connection: socket, respond: Respond) -> None:
    """Answer every request of one connection until its end of file."""
    with connection:
        try:
            while request := connection.recv(RECEIVE_BYTES):
                connection.sendall(respond(request))
        except OSError:  # reset by the peer
            pass
