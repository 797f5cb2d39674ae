# right
# Straight-line clients: a greenlet each, and a hub that waits in one epoll.
import functools
import select
from greenlet import greenlet, getcurrent


class Hub:
    def __init__(self):
        self.epoll = select.epoll()
        self.asleep = {}
        self.masks = {}
        self.hub = getcurrent()
        self.born = []

    def wait(self, sock, mask):
        fd = sock.fileno()
        if fd not in self.masks:
            self.epoll.register(fd, mask)
        elif self.masks[fd] != mask:
            self.epoll.modify(fd, mask)
        self.masks[fd] = mask
        self.asleep[fd] = getcurrent()
        self.hub.switch()

    def close(self, sock):
        self.masks.pop(sock.fileno(), None)
        self.asleep.pop(sock.fileno(), None)
        sock.close()

    def loop(self):
        while True:
            for fd, _ in self.epoll.poll(maxevents=50):
                self.asleep[fd].switch()
                while self.born:
                    self.born.pop()()


def serve(listening, respond):
    hub = Hub()

    def talk(sock):
        try:
            for request in hear(sock):
                say(sock, respond(request))
        except OSError:
            pass
        hub.close(sock)

    def hear(sock):
        while True:
            hub.wait(sock, select.EPOLLIN)
            data = sock.recv(24 * 1024)
            if not data:
                return
            yield data

    def say(sock, reply):
        reply = memoryview(reply)
        while reply:
            try:
                reply = reply[sock.send(reply):]
            except BlockingIOError:
                hub.wait(sock, select.EPOLLOUT)

    def welcome():
        while True:
            hub.wait(listening, select.EPOLLIN)
            try:
                sock, _ = listening.accept()
            except (ConnectionAbortedError, BlockingIOError):
                continue
            sock.setblocking(False)
            hub.born.append(functools.partial(greenlet(talk, hub.hub).switch, sock))

    listening.setblocking(False)
    try:
        greenlet(welcome, hub.hub).switch()
        hub.loop()
    except SystemExit:
        hub.epoll.close()
        return
