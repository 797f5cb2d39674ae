# lacks a clean end: out of descriptors it has no order on the listening socket until somebody leaves, so it does not hear `Stopped` then, which the text did not say then
# Without MultishotAccept: if the ring's accept fails, ask accept(2) why.
import errno
import socket

from iolab.kernel.ring import ACCEPT, RECEIVE, SEND, Ring


class Server:
    def __init__(self, ring, listening, respond):
        self.ring, self.listening, self.respond = ring, listening, respond
        self.socks, self.shut = {}, False
        listening.setblocking(False)
        ring.accept(listening.fileno())
        self.on = {ACCEPT: self.accepted, RECEIVE: self.received, SEND: self.sent}

    def run(self):
        while True:
            for op, fd, result, more, data in self.ring.submit_and_wait():
                self.on[op](fd, result, more, data)

    def add(self, sock):
        self.socks[sock.fileno()] = sock
        self.ring.receive(sock.fileno())

    def accepted(self, fd, result, more, _):
        if result >= 0:
            self.add(socket.socket(fileno=result))
        else:
            try:
                self.add(self.listening.accept()[0])
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE) or -result in (errno.EMFILE, errno.ENFILE):
                    self.shut = True
                    return
        if not more:
            self.ring.accept(fd)

    def received(self, fd, result, _, data):
        if result > 0:
            self.ring.send(fd, self.respond(data))
        elif result == -errno.ENOBUFS:
            self.ring.receive(fd)
        else:
            self.leave(fd)

    def sent(self, fd, result, *_):
        if result < 0:
            self.leave(fd)
        else:
            self.ring.receive(fd)

    def leave(self, fd):
        self.socks.pop(fd).close()
        if self.shut:
            self.shut = False
            self.ring.accept(self.listening.fileno())


def serve(listening, respond):
    with Ring(16384) as ring:
        Server(ring, listening, respond).run()
