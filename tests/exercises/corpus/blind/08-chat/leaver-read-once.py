# lacks those who leave: epoll with EPOLLRDHUP; who has closed the sending half is received from once (16 KiB), and then closed.
# WRONG: epoll with EPOLLRDHUP; who has closed the sending half is received from once (16 KiB), and then closed.
# Breaks "A client that closes its sending half has left ...: Receive and pass on what it sent before": of 60 KB that a
# client says in one go before it closes, the others hear 16 or 32 KiB only.
import select

LIMIT = 1 << 20


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.fd = sock.fileno()
        self.name = None
        self.inp = bytearray()
        self.out = bytearray()
        self.mask = select.EPOLLIN | select.EPOLLRDHUP
        self.leaving = False
        self.gone = False


class Server:
    def __init__(self, listening):
        self.listening = listening
        listening.setblocking(False)
        self.epoll = select.epoll()
        self.clients = {}
        self.room = {}

    def run(self):
        self.epoll.register(self.listening.fileno(), select.EPOLLIN)
        lfd = self.listening.fileno()
        while True:
            for fd, event in self.epoll.poll():
                if fd == lfd:
                    self.accept()
                    continue
                c = self.clients.get(fd)
                if c is None:
                    continue
                if event & select.EPOLLOUT or (c.leaving and event & (select.EPOLLERR | select.EPOLLHUP)):
                    self.flush(c)
                if not c.gone and not c.leaving and event & ~select.EPOLLOUT:
                    self.receive(c)
                    if event & select.EPOLLRDHUP and not c.gone and not c.leaving:
                        self.close(c)

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except OSError:
            return
        sock.setblocking(False)
        c = Client(sock)
        self.clients[c.fd] = c
        self.epoll.register(c.fd, c.mask)

    def receive(self, c):
        try:
            data = c.sock.recv(16384)
        except BlockingIOError:
            return
        except OSError:
            self.close(c)
            return
        if not data:
            c.leaving = True
            self.room.pop(c.fd, None)
            if c.out:
                self.arm(c)
            else:
                self.close(c)
            return
        if b"\n" not in data:
            c.inp += data
            return
        *lines, rest = (bytes(c.inp) + data).split(b"\n")
        c.inp = bytearray(rest)
        for line in lines:
            if c.name is None:
                c.name = line
                self.give(c, b"welcome " + line + b"\n")
                if not c.gone:
                    self.room[c.fd] = c
                continue
            text = c.name + b": " + line + b"\n"
            for other in list(self.room.values()):
                if other is not c and not other.gone:
                    self.give(other, text)

    def give(self, c, text):
        if c.out:
            self.flush(c)
            if c.gone:
                return
            if c.out:
                if len(c.out) + len(text) <= LIMIT:
                    c.out += text
                return
        try:
            n = c.sock.send(text)
        except BlockingIOError:
            n = 0
        except OSError:
            self.close(c)
            return
        if n < len(text):
            c.out += memoryview(text)[n:]
            self.arm(c)

    def flush(self, c):
        try:
            n = c.sock.send(c.out) if c.out else 0
        except BlockingIOError:
            return
        except OSError:
            self.close(c)
            return
        del c.out[:n]
        if not c.out:
            if c.leaving:
                self.close(c)
            else:
                self.arm(c)

    def arm(self, c):
        mask = (0 if c.leaving else select.EPOLLIN | select.EPOLLRDHUP) | (select.EPOLLOUT if c.out else 0)
        if mask != c.mask:
            c.mask = mask
            self.epoll.modify(c.fd, mask)

    def close(self, c):
        if not c.gone:
            c.gone = True
            c.out.clear()
            self.clients.pop(c.fd)
            self.room.pop(c.fd, None)
            self.epoll.unregister(c.fd)
            c.sock.close()


def chat(listening):
    server = Server(listening)
    try:
        server.run()
    finally:
        for c in list(server.clients.values()):
            server.close(c)
        server.epoll.close()
