# right
import errno
import select

from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring


class Server:
    def __init__(self, ring, listening, respond):
        self.ring, self.listening, self.respond = ring, listening, respond
        self.sockets, self.rest = {}, {}
        listening.setblocking(False)
        self.handlers = {POLL: self.accept, RECEIVE: self.received, SEND: self.sent}

    def run(self):
        self.ring.poll(self.listening.fileno(), select.POLLIN)
        while True:
            for operation, fd, result, _, data in self.ring.submit_and_wait():
                self.handlers[operation](fd, result, data)

    def accept(self, door, _result, _data):
        try:
            for _ in range(32):
                socket, _ = self.listening.accept()
                self.sockets[socket.fileno()] = socket
                self.ring.receive(socket.fileno())
        except (BlockingIOError, ConnectionAbortedError):
            pass
        self.ring.poll(door, select.POLLIN)

    def received(self, fd, result, data):
        if result == -errno.ENOBUFS:
            self.ring.receive(fd)
        elif result <= 0:
            self.sockets.pop(fd).close()
        else:
            self.send(fd, self.respond(data))

    def send(self, fd, data):
        self.rest[fd] = data
        self.ring.send(fd, data)

    def sent(self, fd, result, _data):
        data = self.rest.pop(fd)
        if result <= 0:
            self.sockets.pop(fd).close()
        elif result < len(data):
            self.send(fd, data[result:])
        else:
            self.ring.receive(fd)


def serve(listening, respond):
    with Ring(16384, 64) as ring:
        try:
            Server(ring, listening, respond).run()
        except SystemExit:
            return
