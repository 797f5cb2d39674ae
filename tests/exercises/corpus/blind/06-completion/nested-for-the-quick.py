# lacks others meanwhile: After a reply it looks with FIONREAD whether that client has asked for more, and then waits for its completions alone, while those of others are put aside. Breaks 'receive once from it, or a few times (ten at most), and see who else is ready': who always asks holds up all others.
import errno
import fcntl
import struct
import termios
from collections import deque

from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


class Server:
    def __init__(self, ring, listening, respond):
        self.ring, self.listening, self.respond = ring, listening, respond
        self.accept = MultishotAccept(ring, listening)
        self.connections, self.aside = {}, deque()

    def asks(self, fd):
        return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0] > 0

    def one(self, completion):
        operation, fd, result, _, data = completion
        if fd == self.listening.fileno():
            try:
                new = self.accept.connection(completion)
            except OSError:
                return
            self.connections[new.fileno()] = new
            self.ring.receive(new.fileno())
        elif operation == RECEIVE and result > 0:
            self.ring.send(fd, self.respond(data))
        elif operation == SEND and result > 0:
            self.ring.receive(fd)
            if self.asks(fd):
                self.stay_with(fd)
        elif result == -errno.ENOBUFS:
            self.ring.receive(fd)
        else:
            self.connections.pop(fd).close()

    def stay_with(self, fd):
        stay = True
        while stay:
            for completion in self.ring.submit_and_wait():
                operation, of, result, _, data = completion
                if of != fd or result <= 0:
                    self.aside.append(completion)
                    stay = stay and of != fd
                elif operation == RECEIVE:
                    self.ring.send(fd, self.respond(data))
                    self.ring.submit()
                    stay = not self.ring.is_sending(fd)  # else it does not read: see to the others
                else:
                    self.ring.receive(fd)
                    stay = stay and self.asks(fd)

    def run(self):
        while True:
            self.aside.extend(self.ring.submit_and_wait())
            while self.aside:
                self.one(self.aside.popleft())


def serve(listening, respond):
    with Ring(4096, 32) as ring:
        Server(ring, listening, respond).run()
