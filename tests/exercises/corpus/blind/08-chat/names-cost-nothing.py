# lacks a frozen client: 'is not owed without bounds', less than 16 MiB for each that does not read: the speaker's name is counted as one byte, so short lines of one with a long name (some KiB) are ke
import select
from collections import deque

LIMIT = 1048576


class Conn:
    def __init__(self, sock):
        self.sock = sock
        self.name = None
        self.rest = []
        self.queue = deque()
        self.head = 0               # the cost of the first of the queue
        self.owed = 0
        self.half = False
        self.done = False


class Chat:
    def __init__(self, listening):
        self.listening = listening
        self.poll = select.epoll()
        self.conns = {}
        self.members = {}

    def run(self):
        self.listening.setblocking(False)
        door = self.listening.fileno()
        self.poll.register(door, select.EPOLLIN)
        while True:
            for fd, event in self.poll.poll():
                if fd == door:
                    self.accept()
                    continue
                c = self.conns.get(fd)
                if c is not None and c.queue and event & ~select.EPOLLIN:
                    self.flush(c)
                if c is not None and not c.done and not c.half and event & ~select.EPOLLOUT:
                    self.read(c)

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        self.conns[sock.fileno()] = Conn(sock)
        self.poll.register(sock.fileno(), select.EPOLLIN)

    def close(self, c):
        if c.done:
            return
        c.done = True
        fd = c.sock.fileno()
        self.poll.unregister(fd)
        del self.conns[fd]
        self.members.pop(c, None)
        c.queue.clear()
        c.sock.close()

    def read(self, c):
        try:
            data = c.sock.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            self.close(c)
            return
        if not data:
            c.half = True
            self.members.pop(c, None)
            if c.queue:
                self.poll.modify(c.sock.fileno(), select.EPOLLOUT)
            else:
                self.close(c)
            return
        c.rest.append(data)
        if b"\n" not in data:
            return
        lines = b"".join(c.rest).split(b"\n")
        c.rest = [lines.pop()]
        for line in lines:
            if c.name is None:
                c.name = line
                self.members[c] = True
                self.tell(c, b"welcome " + line + b"\n")
            else:
                message = c.name + b": " + line + b"\n"
                for m in list(self.members):
                    if m is not c:
                        self.tell(m, message)

    @staticmethod
    def cost(message):
        """The text, the colon, blank and line feed, and a byte for the name."""
        return len(message) - max(message.find(b": "), 0) + 1

    def tell(self, c, message):
        if c.done:
            return
        cost = self.cost(message)
        if c.queue and c.owed + cost > LIMIT:
            self.flush(c)
            if c.done or c.queue and c.owed + cost > LIMIT:
                return
        c.queue.append(message)
        c.owed += cost
        if len(c.queue) == 1:
            c.head = cost
            self.flush(c)
            if not c.done and c.queue:
                self.poll.modify(c.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def flush(self, c):
        try:
            while c.queue:
                message = c.queue[0]
                n = c.sock.send(message)
                if n < len(message):
                    c.queue[0] = memoryview(message)[n:]
                    continue
                c.queue.popleft()
                c.owed -= c.head
                c.head = self.cost(c.queue[0]) if c.queue else 0
        except BlockingIOError:
            return
        except OSError:
            self.close(c)
            return
        if c.half:
            self.close(c)
        else:
            self.poll.modify(c.sock.fileno(), select.EPOLLIN)


def chat(listening):
    Chat(listening).run()
