# lacks a clean end: After a ConnectionAbortedError the listening socket is taken out of the epoll until a client leaves. Breaks 'take a descriptor out for a while, as long as no client and not `Stopped` goes unnoticed' (and 'waiting since descriptors have run out: the function ends within a second'): full, and nobody leaves: Stopped is not seen.
import select
import socket

IN, OUT = select.EPOLLIN, select.EPOLLOUT
room = bytearray(16384)


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.owed = memoryview(b"")
        self.ended = False
        self.mask = IN


class Loop:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.connections, self.full = {}, False
        self.epoll = select.epoll()
        listening.setblocking(False)
        self.epoll.register(listening, IN)

    def mask(self, connection, mask):
        if mask != connection.mask:
            connection.mask = mask
            self.epoll.modify(connection.sock, mask)

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except BlockingIOError:
            return
        except ConnectionAbortedError:
            self.epoll.unregister(self.listening)
            self.full = True
            return
        sock.setblocking(False)
        self.connections[sock.fileno()] = Connection(sock)
        self.epoll.register(sock, IN)

    def receive(self, c):
        count = c.sock.recv_into(room)
        if not count:
            self.close(c)
            return
        c.owed = memoryview(self.respond(memoryview(room)[:count]))
        self.send(c)

    def send(self, c):
        try:
            sent = c.sock.send(c.owed)
        except BlockingIOError:
            sent = 0
        c.owed = c.owed[sent:]
        self.mask(c, OUT if c.owed else IN)

    def close(self, c):
        del self.connections[c.sock.fileno()]
        self.epoll.unregister(c.sock)
        c.sock.close()
        if self.full:
            self.full = False
            self.epoll.register(self.listening, IN)

    def handle(self, c, what):
        try:
            if c.owed:
                self.send(c)
            else:
                self.receive(c)
        except BlockingIOError:
            pass
        except OSError:
            self.close(c)

    def run(self):
        while True:
            for fd, what in self.epoll.poll():
                if fd == self.listening.fileno():
                    self.accept()
                elif fd in self.connections:
                    self.handle(self.connections[fd], what)


def serve(listening, respond):
    loop = Loop(listening, respond)
    try:
        loop.run()
    finally:
        for c in loop.connections.values():
            c.sock.close()
        loop.epoll.close()
