# lacks bounded memory: "holds up nobody": at most 16 sends are under way at once, the others wait for a place; 16 clients that do not read take all places, and nobody gets a reply any more
import errno
from collections import deque

from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


class Outbox:
    """Sends, of which a few are under way at once and the others wait in order."""

    def __init__(self, ring, places):
        self.ring, self.places, self.line, self.lengths = ring, places, deque(), {}

    def put(self, fd, reply):
        self.line.append((fd, reply))
        self.go_on()

    def go_on(self):
        while self.line and self.places:
            fd, reply = self.line.popleft()
            self.places -= 1
            self.lengths[fd] = len(reply)
            self.ring.send(fd, reply)

    def done(self, fd, result):
        """Return whether all was sent."""
        self.places += 1
        complete = self.lengths.pop(fd) == result
        self.go_on()
        return complete


def serve(listening, respond):
    with Ring(16384) as ring:
        accepting, connections, outbox = MultishotAccept(ring, listening), {}, Outbox(ring, 16)
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
                    outbox.put(fd, respond(data))
                elif operation == RECEIVE and result == -errno.ENOBUFS:
                    ring.receive(fd)
                elif operation == SEND and outbox.done(fd, result):
                    ring.receive(fd)
                else:
                    connections.pop(fd).close()
