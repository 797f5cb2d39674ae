# right
"""Edge-triggered for both directions from the first moment on, a run queue, and
replies made lazily: respond() is asked for 2 KiB at a time, when there is room."""
import collections
import select

BOTH = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
SLICE = 2048
AHEAD = 16 * 1024


class Gone(Exception):
    pass


class Guest:
    __slots__ = ("sock", "fd", "can_read", "can_write", "heard", "reply", "queued")

    def __init__(self, sock):
        self.sock, self.fd = sock, sock.fileno()
        self.can_read = self.can_write = True
        self.heard = self.reply = memoryview(b"")
        self.queued = False

    def step(self, respond):
        """One receive at most; true if there is more to be done at once."""
        if not self.heard and not self.reply:
            if not self.can_read:
                return False
            try:
                data = self.sock.recv(AHEAD)
            except BlockingIOError:
                self.can_read = False
                return False
            except OSError:
                raise Gone
            if not data:
                raise Gone
            self.heard = memoryview(data)
        while self.can_write and (self.heard or self.reply):
            if not self.reply:
                self.reply = memoryview(respond(self.heard[:SLICE]))
                self.heard = self.heard[SLICE:]
            try:
                self.reply = self.reply[self.sock.send(self.reply):]
            except BlockingIOError:
                self.can_write = False
            except OSError:
                raise Gone
        return self.can_read and not self.heard and not self.reply


def serve(listening, respond):
    listening.setblocking(False)
    guests = {}
    queue = collections.deque()

    def enqueue(guest):
        if not guest.queued:
            guest.queued = True
            queue.append(guest)

    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, what in epoll.poll(0 if queue else None):
                if fd == listening.fileno():
                    try:
                        sock = listening.accept()[0]
                    except (ConnectionAbortedError, BlockingIOError):
                        continue
                    sock.setblocking(False)
                    guest = guests[sock.fileno()] = Guest(sock)
                    epoll.register(sock, BOTH)
                    enqueue(guest)
                    continue
                guest = guests[fd]
                if what & ~select.EPOLLOUT:
                    guest.can_read = True
                if what & ~(select.EPOLLIN | select.EPOLLRDHUP):
                    guest.can_write = True
                enqueue(guest)
            for _ in range(len(queue)):
                guest = queue.popleft()
                guest.queued = False
                try:
                    if guest.step(respond):
                        enqueue(guest)
                except Gone:
                    del guests[guest.fd]
                    guest.sock.close()
