# lacks idle while it owes: Reads ahead 16 KiB while it owes; when room to write comes and the read-ahead is answered as well, and all of it fits at once, the mask is set to IN|OUT all the same. Breaks 'ask for EPOLLOUT only while bytes are owed to that client' (idle): once a slow reader that had pipelined has caught up and is silent, the server spins.
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
        self.ahead = bytearray()


class Loop:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.connections = {}
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
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        self.connections[sock.fileno()] = Connection(sock)
        self.epoll.register(sock, IN)

    def receive(self, c):
        count = c.sock.recv_into(room)
        if not count:
            c.ended = True
            if c.owed or c.ahead:
                self.mask(c, OUT)
            else:
                self.close(c)
            return
        if c.owed:
            c.ahead += memoryview(room)[:count]
            self.mask(c, OUT if len(c.ahead) >= 16384 else IN | OUT)
            return
        c.owed = memoryview(self.respond(memoryview(room)[:count]))
        self.send(c)

    def send(self, c):
        try:
            sent = c.sock.send(c.owed)
        except BlockingIOError:
            sent = 0
        c.owed = c.owed[sent:]
        if c.owed:
            self.mask(c, OUT if c.ended or len(c.ahead) >= 16384 else IN | OUT)
        elif c.ahead:
            c.owed = memoryview(self.respond(bytes(c.ahead)))
            c.ahead.clear()
            try:
                c.owed = c.owed[c.sock.send(c.owed):]
            except BlockingIOError:
                pass
            if c.owed:
                self.mask(c, OUT if c.ended else IN | OUT)
            elif c.ended:
                self.close(c)
            else:
                self.mask(c, IN | OUT)
        elif c.ended:
            self.close(c)
        else:
            self.mask(c, IN)

    def close(self, c):
        del self.connections[c.sock.fileno()]
        self.epoll.unregister(c.sock)
        c.sock.close()

    def handle(self, c, what):
        try:
            if what & ~IN and c.owed:
                self.send(c)
            if what & IN and c.mask & IN and c.sock.fileno() >= 0:
                self.receive(c)
            if what & select.EPOLLHUP and not c.owed and c.sock.fileno() >= 0:
                raise ConnectionResetError
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
        for c in list(loop.connections.values()):
            loop.close(c)
        loop.epoll.close()
