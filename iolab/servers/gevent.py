"""Model: blocking I/O in appearance, one greenlet per connection, with gevent.
Waits in: epoll_wait on Linux, inside gevent's hub; a greenlet waits in recv and sendall.
Readiness or completion: readiness in the hub; for the greenlet neither: a call returns when its work is done.
State per connection: a greenlet, with its stack.
Runs the reply: in the one thread, in the greenlet of the connection.
Breaks when: the reply takes long, or blocks in a call that gevent has not patched: no other greenlet runs.
"""

from socket import socket

from gevent import get_hub, sleep
from gevent.pool import Group
from gevent.socket import socket as green_socket
from gevent.socket import wait_read

from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Give every connection a greenlet of its own."""
    listening.setblocking(False)
    conversations = Group()
    try:
        while True:
            wait_read(listening.fileno())
            try:
                connection, _ = listening.accept()
            except OSError:  # the peer gave up while it waited in the backlog
                continue
            conversations.spawn(converse, connection, respond)
    finally:
        conversations.kill()
        get_hub().destroy()


def converse(accepted: socket, respond: Respond) -> None:
    """Answer every request of one connection until its end of file."""
    with green_socket(fileno=accepted.detach()) as connection:
        try:
            while request := connection.recv(RECEIVE_BYTES):
                connection.sendall(respond(request))
                sleep(0)  # a call that need not wait lets no other greenlet run
        except OSError:  # reset by the peer
            pass
