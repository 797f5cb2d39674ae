# right
import errno
import socket

from iolab.kernel.ring import RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


class Connection:
    def __init__(self, ring, sock, respond):
        self.ring, self.sock, self.fd, self.respond = ring, sock, sock.fileno(), respond
        self.ahead, self.receiving, self.sending, self.over = b"", False, 0, False
        self.advance()

    def completed(self, operation, result, data):
        if operation == RECEIVE:
            self.receiving = False
            if result > 0:
                self.ahead = data
            elif result != -errno.ENOBUFS:
                self.over = True
        else:
            if result != self.sending:
                self.over, self.ahead = True, b""
                try:
                    self.sock.shutdown(socket.SHUT_RDWR)  # so that the receive ends
                except OSError:
                    pass
            self.sending = 0
        return self.advance()

    def advance(self):
        """Give the next orders; return whether the connection is over and at rest."""
        if self.ahead and not self.sending:
            reply, self.ahead = self.respond(self.ahead), b""
            self.sending = len(reply)
            self.ring.send(self.fd, reply)
        if not (self.receiving or self.ahead or self.over):
            self.receiving = True
            self.ring.receive(self.fd)
        return self.over and not (self.sending or self.receiving or self.ahead)


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
