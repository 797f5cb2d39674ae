"""Model: asynchronous I/O with io_uring: a queue of what is asked for, and one of what is done.
Waits in: io_uring_enter, which first hands over all that was asked for since the last wait.
Readiness or completion: completion; the kernel accepts, receives and sends, and then tells.
State per connection: a socket, and the one receive or send that the kernel is at.
Runs the reply: in the one thread, between two waits.
Breaks when: a reply takes long: every other connection waits for it.
"""

from errno import ENOBUFS
from socket import socket

from uring_api import IORING_RECVSEND_POLL_FIRST as POLL_FIRST
from uring_api import Completion

from iolab.kernel.uring import MultishotAccept, open_ring, submit_and_wait
from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Ask for the next step of every connection, and go on wherever one is done."""
    connections: dict[int, socket] = {}
    unsent: dict[int, memoryview] = {}

    def accept(completion: Completion) -> None:
        try:
            connection = accepting.connection(completion)
        except OSError:  # the peer gave up while it waited in the backlog
            return
        connections[connection.fileno()] = connection
        receive(connection.fileno())

    def receive(descriptor: int) -> None:
        # POLL_FIRST: nothing is there yet, so do not try before something comes
        ring.prepare_recv_buf(descriptor, buffers, POLL_FIRST, descriptor)

    def send(descriptor: int, reply: memoryview) -> None:
        if reply:  # read no more of this peer until it has its reply
            unsent[descriptor] = reply
            ring.prepare_send(descriptor, reply, 0, descriptor)
        else:
            unsent.pop(descriptor, None)
            receive(descriptor)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        connections.pop(descriptor).close()

    with open_ring(RECEIVE_BYTES) as (ring, buffers):
        accepting = MultishotAccept(ring, listening)
        while True:
            for completion in submit_and_wait(ring):
                descriptor, result = completion.user_data, completion.res
                try:
                    if descriptor == listening.fileno():
                        accept(completion)
                    elif result == -ENOBUFS:  # more came at once than there are buffers
                        receive(descriptor)
                    elif result <= 0:  # end of file, or reset by the peer
                        close(descriptor)
                    elif descriptor in unsent:
                        send(descriptor, unsent[descriptor][result:])
                    else:
                        send(descriptor, memoryview(respond(bytes(completion.result))))
                except OSError:  # there is no reply
                    close(descriptor)
