# lacks descriptors: "when others leave, those who wait are served": after a ConnectionAbortedError it accepts again only once a client leaves by end of file; if all that leave reset, those who wait are never served
import errno
import select

from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring


class Server:
    def __init__(self, ring, listening, respond):
        self.ring, self.listening, self.respond = ring, listening, respond
        self.connections, self.lengths, self.full = {}, {}, False
        listening.setblocking(False)

    def wait_for_clients(self):
        # While it is full only the end of the listening socket (POLLHUP) is of interest.
        self.ring.poll(self.listening.fileno(), 0 if self.full else select.POLLIN)

    def accept(self):
        try:
            connection, _ = self.listening.accept()
        except BlockingIOError:
            pass
        except ConnectionAbortedError:
            self.full = bool(self.connections)
        else:
            self.connections[connection.fileno()] = connection
            self.ring.receive(connection.fileno())
        self.wait_for_clients()

    def leave(self, fd):
        self.lengths.pop(fd, None)
        self.connections.pop(fd).close()

    def received(self, fd, result, data):
        if result > 0:
            reply = self.respond(data)
            self.lengths[fd] = len(reply)
            self.ring.send(fd, reply)
        elif result == -errno.ENOBUFS:
            self.ring.receive(fd)
        elif result == 0:
            self.leave(fd)
            if self.full:
                self.full = False
                self.wait_for_clients()
        else:
            self.leave(fd)

    def sent(self, fd, result):
        if result == self.lengths[fd]:
            self.ring.receive(fd)
        else:
            self.leave(fd)


def serve(listening, respond):
    with Ring(16384) as ring:
        server = Server(ring, listening, respond)
        server.wait_for_clients()
        while True:
            for operation, fd, result, _, data in ring.submit_and_wait():
                if operation == POLL:
                    server.accept()
                elif operation == RECEIVE:
                    server.received(fd, result, data)
                elif operation == SEND:
                    server.sent(fd, result)
