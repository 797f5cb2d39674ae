# right
import errno

from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    with Ring(32768) as ring:
        door = MultishotAccept(ring, listening)
        connections, owed = {}, {}
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if fd == listening.fileno():
                    try:
                        connection = door.connection(completion)
                    except OSError:
                        continue
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                elif operation == RECEIVE and result > 0:
                    reply = respond(data)
                    owed[fd] = len(reply)
                    ring.send(fd, reply)
                elif operation == RECEIVE and result == -errno.ENOBUFS:
                    ring.receive(fd)
                elif operation == SEND and result == owed.pop(fd):
                    ring.receive(fd)
                else:
                    connections.pop(fd).close()
