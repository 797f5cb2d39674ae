# lacks those who leave: 'A client that closes its sending half has left ... The lines that it sent before are passed on': at EPOLLRDHUP it receives once more (4 KiB) and then takes the client for gone: where more than 4 KiB and the end arrive together, the lines after that are lost
import select
from collections import deque

MOST = 1 << 20
READ = select.EPOLLIN | select.EPOLLRDHUP


class Outlet:
    """What is owed to one client: chunks, the last one grows to 64 KiB, so that short lines cost no object each."""

    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.chunks = deque()
        self.size = self.done = 0
        self.dead = False

    def put(self, line):
        if self.dead:
            return True
        if self.size + len(line) > MOST:
            return False
        if self.chunks and len(self.chunks[-1]) + len(line) <= 65536:
            self.chunks[-1] += line
        else:
            self.chunks.append(bytearray(line))
        self.size += len(line)
        return True

    def drain(self):
        while self.chunks and not self.dead:
            with memoryview(self.chunks[0]) as view:
                try:
                    n = self.sock.send(view[self.done :])
                except BlockingIOError:
                    return
                except OSError:
                    self.dead = True
                    break
            self.done += n
            self.size -= n
            if self.done == len(self.chunks[0]):
                self.chunks.popleft()
                self.done = 0
        if self.dead:
            self.chunks.clear()
            self.size = self.done = 0


class Server:
    def __init__(self, listening):
        self.listening = listening
        self.epoll = select.epoll()
        self.clients = {}  # fd -> (generator, outlet)
        self.masks = {}
        self.hearers = {}  # fd -> outlet
        self.turns = deque()

    def mask(self, fd, **change):
        read, write = self.masks[fd]
        new = change.get("read", read), change.get("write", write)
        if new != (read, write):
            self.masks[fd] = new
            self.epoll.modify(fd, READ * new[0] | select.EPOLLOUT * new[1])

    def client(self, fd, sock, outlet):
        name, buffer, scan = None, bytearray(), 0
        try:
            while True:
                yield "wait"
                try:
                    data = sock.recv(4096)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                buffer += data
                count = 0
                while (end := buffer.find(b"\n", scan)) >= 0:
                    line = bytes(buffer[: end + 1])
                    del buffer[: end + 1]
                    scan = 0
                    if name is None:
                        name = line[:-1]
                        outlet.put(b"welcome " + line)
                        self.settle(fd, outlet)
                        self.hearers[fd] = outlet
                        continue
                    message = name + b": " + line
                    for other, theirs in list(self.hearers.items()):
                        if other != fd:
                            if not theirs.put(message):
                                theirs.drain()  # nothing but this was tried since
                                if not theirs.put(message):
                                    self.hearers.pop(other)
                                    theirs.dead = True
                                    theirs.drain()
                                    self.dismissed.append((other, theirs))
                                    continue
                            self.dirty[other] = theirs
                    count += max(len(message), 64)
                    if count > 131072:
                        count = 0
                        yield "turn"
                scan = len(buffer)
                if fd in self.hung_up:
                    return
        finally:
            self.hearers.pop(fd, None)

    def settle(self, fd, outlet):
        if not self.masks[fd][1]:
            outlet.drain()
        self.mask(fd, write=outlet.size > 0)

    def step(self, fd):
        generator, outlet = self.clients[fd]
        what = next(generator, "left")
        if what == "turn":
            self.turns.append(fd)
            self.busy.add(fd)
        else:
            self.busy.discard(fd)
            if what == "left":
                self.mask(fd, read=False)
                self.left.add(fd)
                if not outlet.size:
                    self.close(fd)

    def close(self, fd):
        _, outlet = self.clients.pop(fd)
        del self.masks[fd]
        self.left.discard(fd)
        self.hung_up.discard(fd)
        self.epoll.unregister(fd)
        outlet.sock.close()

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except OSError:
            return
        sock.setblocking(False)
        fd, outlet = sock.fileno(), Outlet(self, sock)
        generator = self.client(fd, sock, outlet)
        next(generator)
        self.clients[fd] = generator, outlet
        self.masks[fd] = True, False
        self.epoll.register(fd, READ)

    def run(self):
        self.busy, self.left, self.hung_up, self.dirty, self.dismissed = set(), set(), set(), {}, []
        self.listening.setblocking(False)
        self.epoll.register(self.listening, READ)
        while True:
            for fd, events in self.epoll.poll(0 if self.turns else -1):
                if fd == self.listening.fileno():
                    self.accept()
                    continue
                outlet = self.clients[fd][1]
                if events & select.EPOLLRDHUP:
                    self.hung_up.add(fd)
                if events & ~READ and outlet.size:
                    outlet.drain()
                    self.mask(fd, write=outlet.size > 0)
                    if fd in self.left and not outlet.size:
                        self.close(fd)
                        continue
                if events & ~select.EPOLLOUT and fd not in self.busy and fd not in self.left:
                    self.step(fd)
                    self.push()
            for _ in range(len(self.turns)):
                self.step(self.turns.popleft())
                self.push()
            gone, self.dismissed = self.dismissed, []
            for fd, outlet in gone:
                if self.clients.get(fd, (None, None))[1] is not outlet:
                    continue  # it left by itself
                if fd in self.busy:  # its lines that came before are passed on first
                    self.dismissed.append((fd, outlet))
                else:
                    self.clients[fd][0].close()
                    self.close(fd)

    def push(self):
        for fd, outlet in self.dirty.items():
            if fd in self.clients:
                self.settle(fd, outlet)
        self.dirty.clear()


def chat(listening):
    Server(listening).run()
