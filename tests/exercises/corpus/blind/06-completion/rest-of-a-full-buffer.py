# lacks the model: "no recv of your own, not as a first try, nor for the rest": when a receive filled its buffer, the rest of the request is fetched by recv(MSG_DONTWAIT): shows only for requests of more than 1 KiB
import errno
import socket

from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept

BUFFER_BYTES = 1024


def whole(connection, data):
    """There is more of it in the socket, most likely: get it without another turn of the ring."""
    try:
        return data + connection.recv(16 * BUFFER_BYTES, socket.MSG_DONTWAIT)
    except OSError:
        return data


def serve(listening, respond):
    with Ring(BUFFER_BYTES, 64) as ring:
        accepting, connections, owed = MultishotAccept(ring, listening), {}, {}
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if fd == listening.fileno():
                    try:
                        connection = accepting.connection(completion)
                    except OSError:
                        continue
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                elif operation == RECEIVE and result > 0:
                    if result == BUFFER_BYTES:
                        data = whole(connections[fd], data)
                    reply = respond(data)
                    owed[fd] = len(reply)
                    ring.send(fd, reply)
                elif operation == RECEIVE and result == -errno.ENOBUFS:
                    ring.receive(fd)
                elif operation == SEND and result == owed.pop(fd):
                    ring.receive(fd)
                else:
                    connections.pop(fd).close()
