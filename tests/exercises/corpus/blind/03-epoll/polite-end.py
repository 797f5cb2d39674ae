# lacks a clean end: "the function ends within a second": takes up to 5 s when, at the end, a client that has half-closed is owed bytes and does not read
import select
import time
from select import EPOLLIN, EPOLLOUT, EPOLLRDHUP


class Client:
    def __init__(self, sock):
        self.sock, self.rest, self.last_words = sock, b"", False


def serve(listening, respond):
    ep = select.epoll()
    ep.register(listening, EPOLLIN)
    listening.setblocking(False)
    clients = {}

    def drop(fd):
        ep.unregister(fd)
        clients.pop(fd).sock.close()

    def step(fd, events):
        c = clients[fd]
        if events & EPOLLRDHUP:
            c.last_words = True         # noted; asked for no more
        try:
            if not c.rest:
                data = c.sock.recv(8192)
                if not data:
                    return drop(fd)
                c.rest = respond(data)
            try:
                c.rest = c.rest[c.sock.send(c.rest):]
            except BlockingIOError:
                pass
        except BlockingIOError:
            return
        except OSError:
            return drop(fd)
        ep.modify(fd, (EPOLLOUT if c.rest else EPOLLIN) | (0 if c.last_words else EPOLLRDHUP))

    try:
        while True:
            for fd, events in ep.poll():
                if fd in clients:
                    step(fd, events)
                    continue
                try:
                    sock, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                sock.setblocking(False)
                clients[sock.fileno()] = Client(sock)
                ep.register(sock, EPOLLIN | EPOLLRDHUP)
    finally:
        # who has said its last word gets all that it is owed
        ep.unregister(listening)
        for fd, c in list(clients.items()):
            if not (c.last_words and c.rest):
                drop(fd)
        deadline = time.monotonic() + 5
        while clients and (left := deadline - time.monotonic()) > 0:
            for fd, events in ep.poll(left):
                step(fd, events)
