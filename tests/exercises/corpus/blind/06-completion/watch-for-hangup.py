# lacks idle while it owes: "idle while it owes": while a send is under way it polls for POLLRDHUP to learn of clients that leave, again and again; for one that only half-closed that is true at once, so the loop spins until the client reads
import errno

from iolab.kernel.ring import POLL, RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept

POLLRDHUP = 0x2000


class Connection:
    def __init__(self, ring, sock, respond):
        self.ring, self.sock, self.fd, self.respond = ring, sock, sock.fileno(), respond
        self.sending, self.watching, self.over = 0, False, False
        ring.receive(self.fd)

    def watch(self):
        if not self.watching:
            self.watching = True
            self.ring.poll(self.fd, POLLRDHUP)

    def completed(self, operation, result, data):
        """Go on; return whether this connection is over and nothing of it is under way."""
        if operation == POLL:
            self.watching = False
            if self.sending:  # it has left, or reads still: the send will tell
                self.watch()
        elif operation == RECEIVE:
            if result > 0:
                reply = self.respond(data)
                self.sending = len(reply)
                self.ring.send(self.fd, reply)
                self.watch()
            elif result == -errno.ENOBUFS:
                self.ring.receive(self.fd)
            else:
                self.over = True
        else:
            complete, self.sending = result == self.sending, 0
            if complete:
                self.ring.receive(self.fd)
            else:
                self.over = True
        return self.over and not self.watching


def serve(listening, respond):
    with Ring(16384) as ring:
        accepting, connections = MultishotAccept(ring, listening), {}
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if fd == listening.fileno():
                    try:
                        sock = accepting.connection(completion)
                    except OSError:
                        continue
                    connections[sock.fileno()] = Connection(ring, sock, respond)
                elif connections[fd].completed(operation, result, data):
                    connections.pop(fd).sock.close()
