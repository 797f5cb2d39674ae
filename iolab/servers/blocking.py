"""Model: blocking I/O, one client at a time.
Waits in: accept, recv and send.
Readiness or completion: neither; a call returns when its work is done.
State per connection: where the program stands.
Runs the reply: in the one thread.
Breaks when: a second client comes while the first is still connected.
"""

from socket import socket

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Serve one connection to its end, then the next."""
    while True:
        try:
            connection, _ = listening.accept()
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
