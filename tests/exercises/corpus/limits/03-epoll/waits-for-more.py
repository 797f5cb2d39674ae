# lacks no sleeps: after a receive that filled the buffer it waits for 2 ms for more to come
import heapq
import select
import time

IN, OUT = select.EPOLLIN, select.EPOLLOUT
room = bytearray(8192)


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.owed = memoryview(b"")
        self.ended = False
        self.mask = IN
        self.filled = 0


class Loop:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.connections, self.boxed = {}, []
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
            self.close(c)
            return
        c.owed = memoryview(self.respond(memoryview(room)[:count]))
        self.send(c)
        c.filled = c.filled + 1 if count == 8192 else 0
        if c.filled == 1 and not c.owed:
            c.filled = 0
            self.mask(c, 0)
            heapq.heappush(self.boxed, (time.monotonic() + 0.002, c.sock.fileno(), c))

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
            while self.boxed and self.boxed[0][0] <= time.monotonic():
                _, fd, c = heapq.heappop(self.boxed)
                if self.connections.get(fd) is c:
                    self.mask(c, IN)
            wait = max(0, self.boxed[0][0] - time.monotonic()) if self.boxed else -1
            for fd, what in self.epoll.poll(wait):
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
