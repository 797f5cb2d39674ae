"""Model: asynchronous I/O with io_uring: one order and one completion for every step.
Waits in: io_uring_enter, after another that hands over what was ordered since the last.
Readiness or completion: completion; the kernel accepts, receives and sends, and then tells.
State per connection: a socket, and the one receive or send that the kernel is at.
Runs the reply: in the one thread, between two waits.
Breaks when: a reply takes long: every other connection waits for it.
"""

from errno import ENOBUFS
from socket import socket

from iolab.kernel.ring import SEND, Completion, Ring
from iolab.kernel.uring import MultishotAccept
from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Ask for the next step of every connection, and go on wherever one is done."""
    connections: dict[int, socket] = {}

    def accept(completion: Completion) -> None:
        try:
            connection = accepting.connection(completion)
        except OSError:  # the peer gave up while it waited in the backlog
            return
        connections[connection.fileno()] = connection
        receive(connection.fileno())

    def receive(descriptor: int) -> None:
        ring.receive(descriptor)

    def send(descriptor: int, reply: bytes) -> None:
        if reply:  # read no more of this peer until it has its reply
            ring.send(descriptor, reply)
        else:
            receive(descriptor)

    def close(descriptor: int) -> None:
        connections.pop(descriptor).close()

    with Ring(RECEIVE_BYTES) as ring:
        accepting, door = MultishotAccept(ring, listening), listening.fileno()
        while True:
            ring.submit()
            for completion in ring.wait():
                operation, descriptor, result, _, request = completion
                try:
                    if descriptor == door:
                        accept(completion)
                    elif result == -ENOBUFS:  # more came at once than there are buffers
                        receive(descriptor)
                    elif result <= 0:  # end of file, or reset by the peer
                        close(descriptor)
                    elif operation == SEND:
                        receive(descriptor)
                    else:
                        send(descriptor, respond(request))
                except OSError:  # there is no reply
                    close(descriptor)
