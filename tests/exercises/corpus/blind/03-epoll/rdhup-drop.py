# lacks half-close: a client that closes its sending half gets all it is owed: EPOLLRDHUP ends it while requests beyond the first 4 KiB are still unread
import select
from select import EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP


class Conversation:
    def __init__(self, sock, epoll, respond):
        self.sock, self.epoll, self.respond = sock, epoll, respond
        self.owed = memoryview(b"")
        self.hung_up = False
        sock.setblocking(False)
        epoll.register(sock, EPOLLIN | EPOLLRDHUP)

    def handle(self, event):
        """False when it is over."""
        if event & EPOLLERR:
            return False
        if event & (EPOLLRDHUP | EPOLLHUP):
            self.hung_up = True
        owed_before = bool(self.owed)
        if not self.owed and event & EPOLLIN:
            try:
                data = self.sock.recv(4096)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.owed = memoryview(self.respond(data))
        if self.owed:
            try:
                self.owed = self.owed[self.sock.send(self.owed):]
            except BlockingIOError:
                pass
        if not self.owed and self.hung_up:
            return False            # it has got everything, and asks no more
        if bool(self.owed) != owed_before:
            self.epoll.modify(self.sock, EPOLLOUT if self.owed else EPOLLIN | EPOLLRDHUP)
        return True

    def close(self):
        self.epoll.unregister(self.sock)
        self.sock.close()


def serve(listening, respond):
    listening.setblocking(False)
    everyone = {}
    with select.epoll() as epoll:
        epoll.register(listening, EPOLLIN)
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    everyone[sock.fileno()] = Conversation(sock, epoll, respond)
                else:
                    try:
                        alive = everyone[fd].handle(event)
                    except OSError:
                        alive = False
                    if not alive:
                        everyone.pop(fd).close()
