# lacks half-close: send_silently, whose completion with MORE ('the rest follows') is taken for its end; so at the end of file the connection is closed while the rest is under way, and its number is given to another. Breaks 'pair each completion with its connection': a slow client that closes its half gets the end of file in the midst of its bytes, as the rest is sent to a number that is closed, or another's by then.
import errno

from iolab.kernel.ring import RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    connections, replies = {}, {}

    def start(fd):
        if not ring.is_sending(fd):
            ring.send_silently(fd, replies.pop(fd))

    with Ring(16384, 32) as ring:
        accept = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, more, data = completion
                if fd == listening.fileno():
                    try:
                        connection = accept.connection(completion)
                    except OSError:
                        continue
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                elif operation == RECEIVE:
                    if result > 0:
                        replies[fd] = respond(data)
                        start(fd)
                        if fd not in replies:
                            ring.receive(fd)
                    elif result == -errno.ENOBUFS:
                        ring.receive(fd)
                    else:
                        connections.pop(fd).close()  # all was handed to the ring
                elif not more and fd in connections and fd in replies:
                    start(fd)
                    ring.receive(fd)
