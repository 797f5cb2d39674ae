# right
import select
from collections import deque


class Conn:
    def __init__(self, sock):
        self.sock, self.out = sock, b""
        self.readable = self.writable = self.queued = False


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN | select.EPOLLET)
    lfd = listening.fileno()
    conns, turn = {}, deque()
    backlog = False

    def accept_all():
        while True:
            try:
                s, _ = listening.accept()
            except BlockingIOError:
                return False
            except (ConnectionAbortedError, InterruptedError):
                continue
            except OSError:
                return True  # out of descriptors; again when one is free
            s.setblocking(False)
            conns[s.fileno()] = Conn(s)
            ep.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def step(c):
        """One turn; True if the client is to have another."""
        if not c.out:
            if not c.readable:
                return False
            try:
                data = c.sock.recv(32768)
            except BlockingIOError:
                c.readable = False
                return False
            if not data:
                raise ConnectionError
            c.out = respond(data)
        if c.out and c.writable:
            try:
                c.out = c.out[c.sock.send(c.out):]
            except BlockingIOError:
                c.writable = False
        return c.writable if c.out else c.readable

    while True:
        for fd, ev in ep.poll(0 if turn else -1):
            if fd == lfd:
                backlog = accept_all()
                continue
            c = conns.get(fd)
            if c is None:
                continue
            bad = ev & (select.EPOLLERR | select.EPOLLHUP)
            c.readable |= bool(ev & select.EPOLLIN or bad)
            c.writable |= bool(ev & select.EPOLLOUT or bad)
            if not c.queued:
                c.queued = True
                turn.append(c)
        for _ in range(len(turn)):
            c = turn.popleft()
            try:
                again = step(c)
            except OSError:
                del conns[c.sock.fileno()]
                c.sock.close()
                if backlog:
                    backlog = accept_all()
                continue
            c.queued = again
            if again:
                turn.append(c)
