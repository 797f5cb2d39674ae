# right
import select
import socket
from collections import deque


class Client:
    """One connection and what we owe it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.owed: deque[memoryview] = deque()
        self.mask = select.EPOLLIN


class Server:
    SIZE = 64 * 1024

    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.ep = select.epoll()
        self.clients: dict[int, Client] = {}

    def run(self):
        self.listening.setblocking(False)
        with self.ep:
            self.ep.register(self.listening, select.EPOLLIN)
            try:
                while True:
                    for fd, events in self.ep.poll():
                        if fd == self.listening.fileno():
                            self.accept()
                        else:
                            self.handle(self.clients[fd])
            finally:
                for c in self.clients.values():
                    c.sock.close()

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        sock.setblocking(False)
        c = Client(sock)
        self.clients[c.fd] = c
        self.ep.register(c.fd, c.mask)

    def handle(self, c):
        try:
            if not c.owed:
                data = c.sock.recv(self.SIZE)
                if not data:
                    return self.drop(c)
                reply = self.respond(data)
                if reply:
                    c.owed.append(memoryview(reply))
            while c.owed:
                n = c.sock.send(c.owed[0])
                rest = c.owed.popleft()[n:]
                if rest:
                    c.owed.appendleft(rest)
        except BlockingIOError:
            pass
        except OSError:
            return self.drop(c)
        want = select.EPOLLOUT if c.owed else select.EPOLLIN
        if want != c.mask:
            c.mask = want
            self.ep.modify(c.fd, want)

    def drop(self, c):
        self.ep.unregister(c.fd)
        del self.clients[c.fd]
        c.sock.close()


def serve(listening, respond):
    Server(listening, respond).run()
