# lacks everybody hears: epoll; what one receive brings is first queued for all, and sent when it has been parsed; the bound is looked at before any send.
# WRONG: epoll; what one receive brings is first queued for all, and sent when it has been parsed; the bound is looked at before any send.
# Breaks "A client does not read while `send` takes nothing for it: so try that before you take it for one": a speaker with a
# name of 40,000 bytes and 36 empty lines in one packet makes 1.4 MiB; who reads at once misses the last ones.
import select

LIMIT = 1 << 20


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.fd = sock.fileno()
        self.name = None
        self.inp = bytearray()
        self.out = bytearray()
        self.mask = select.EPOLLIN
        self.leaving = False
        self.gone = False


class Server:
    def __init__(self, listening):
        self.listening = listening
        listening.setblocking(False)
        self.epoll = select.epoll()
        self.clients = {}
        self.room = {}
        self.touched = set()

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
                    for other in self.touched:
                        if not other.gone:
                            self.flush(other)
                            if not other.gone:
                                self.arm(other)
                    self.touched.clear()

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
            data = c.sock.recv(65536)
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
        if len(c.out) + len(text) <= LIMIT:
            c.out += text
            self.touched.add(c)

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
        mask = (0 if c.leaving else select.EPOLLIN) | (select.EPOLLOUT if c.out else 0)
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
