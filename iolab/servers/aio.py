"""Model: asynchronous I/O with POSIX aio_read and aio_write, as the C library has them.
Waits in: aio_suspend, for all pending requests at once; accept in a thread of its own.
Readiness or completion: completion; a helper thread of the library makes the blocking call.
State per connection: a socket, and the one read or write that is pending.
Runs the reply: in the one thread, between two waits.
Breaks when: more connections wait than there are helper threads; many wait, for all are named each time.
"""

from collections import deque
from contextlib import suppress
from socket import socket, socketpair
from threading import Thread

from iolab.kernel.aio import Requests
from iolab.listening import RECEIVE_BYTES, Respond, Stopped


def serve(listening: socket, respond: Respond) -> None:
    """Ask for the next step of every connection, and go on wherever one is done."""
    accepted: deque[socket] = deque()
    connections: dict[int, socket] = {}
    unsent: dict[int, bytes] = {}

    def wait_at_door() -> None:  # in a thread of its own, for there is no aio_accept
        with bell, suppress(Stopped):
            while True:
                try:
                    connection, _ = listening.accept()
                    accepted.append(connection)
                    bell.send(b"!")
                except OSError:  # the peer gave up while it waited in the backlog
                    pass

    def accept() -> None:
        connection = accepted.popleft()
        connections[connection.fileno()] = connection
        receive(connection.fileno())

    def receive(descriptor: int) -> None:
        requests.read(descriptor, RECEIVE_BYTES)

    def send(descriptor: int, reply: bytes) -> None:
        if reply:  # read no more of this peer until it has its reply
            unsent[descriptor] = reply
            requests.write(descriptor, reply)
        else:
            unsent.pop(descriptor, None)
            receive(descriptor)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        connections.pop(descriptor).close()

    bell, door = socketpair()
    with door, Requests() as requests:
        Thread(target=wait_at_door, daemon=True).start()
        receive(door.fileno())
        while True:
            for descriptor, result, request in requests.wait():
                try:
                    if descriptor == door.fileno():
                        if not request:  # the bell is gone: nobody comes any more
                            return
                        for _ in request:
                            accept()
                        receive(door.fileno())
                    elif result <= 0:  # end of file, or reset by the peer
                        close(descriptor)
                    elif descriptor in unsent:
                        send(descriptor, unsent[descriptor][result:])
                    else:
                        send(descriptor, respond(request))
                except OSError:  # there is no reply
                    close(descriptor)
