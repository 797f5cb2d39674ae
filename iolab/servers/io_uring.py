"""Model: asynchronous I/O with io_uring: orders that stay in force, and silence where all went well.
Waits in: io_uring_enter, which first hands over all that was ordered since the last.
Readiness or completion: completion; the kernel accepts, receives and sends, and tells what came or went wrong.
State per connection: a socket, a receive that stays in force, and what came before the last reply was sent.
Runs the reply: in the one thread, between two waits.
Breaks when: a reply takes long: every other connection waits for it.
"""

from errno import ECANCELED, ENOBUFS
from socket import socket

from iolab.kernel.ring import MULTISHOT, SEND, Completion, Ring
from iolab.kernel.uring import MultishotAccept
from iolab.listening import RECEIVE_BYTES, ListeningSocket, Respond


def serve(listening: ListeningSocket, respond: Respond) -> None:
    """Ask once for all that will come, and hear of a send only if it fell short."""
    connections: dict[int, socket] = {}
    leaving: dict[int, socket] = {}
    receiving: set[int] = set()
    early: dict[int, list[bytes]] = {}

    def accept(completion: Completion) -> None:
        try:
            connection = accepting.connection(completion)
        except OSError:  # the peer gave up while it waited in the backlog
            return
        connections[connection.fileno()] = connection
        receive(connection.fileno())

    def receive(descriptor: int) -> None:
        if descriptor in connections and descriptor not in early and descriptor not in receiving:
            receiving.add(descriptor)
            ring.receive(descriptor, MULTISHOT)

    def end(descriptor: int, result: int, request: bytes) -> None:  # of a receive
        receiving.discard(descriptor)
        if descriptor in leaving:
            del early[descriptor]
            leaving.pop(descriptor).close()
        else:  # end of file, or reset by the peer, unless
            if -result not in (ENOBUFS, ECANCELED):  # no buffer was free, or it was held
                answer(descriptor, request)
            receive(descriptor)

    def answer(descriptor: int, request: bytes) -> None:
        if descriptor in early or ring.is_sending(descriptor):
            hold(descriptor, request)
        elif request:
            send(descriptor, respond(request))
        else:
            close(descriptor)

    def send(descriptor: int, reply: bytes) -> None:
        if reply:
            ring.send_silently(descriptor, reply)

    def hold(descriptor: int, *requests: bytes) -> None:  # until its reply is sent
        if descriptor not in early and descriptor in receiving:
            ring.stop_receiving(descriptor)
        early.setdefault(descriptor, []).extend(requests)

    def go_on(descriptor: int) -> None:
        for request in early.pop(descriptor, ()):
            answer(descriptor, request)
        receive(descriptor)

    def close(descriptor: int) -> None:
        early.pop(descriptor, None)
        connection = connections.pop(descriptor, None)
        if connection and descriptor in receiving:  # else the kernel keeps it open
            leaving[descriptor] = connection
            hold(descriptor)
        elif connection:
            connection.close()

    with Ring(RECEIVE_BYTES) as ring:
        accepting, door = MultishotAccept(ring, listening), listening.fileno()
        while True:
            for completion in ring.submit_and_wait():
                operation, descriptor, result, more, request = completion
                try:
                    if descriptor == door:
                        accept(completion)
                    elif operation == SEND and more:  # a slow peer: the rest follows
                        hold(descriptor)
                    elif operation == SEND and result >= 0:
                        go_on(descriptor)
                    elif operation == SEND:  # a reset that receive may not hear of
                        close(descriptor)
                    elif more:
                        answer(descriptor, request)
                    else:
                        end(descriptor, result, request)
                except OSError:  # there is no reply
                    close(descriptor)
