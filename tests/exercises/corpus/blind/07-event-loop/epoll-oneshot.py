# right: epoll with EPOLLONESHOT; registrations stay and are re-armed, one that died with its descriptor is made anew
import select
from collections import deque
from heapq import heappop, heappush
from time import monotonic

READ = select.EPOLLIN | select.EPOLLRDHUP
WRITE = select.EPOLLOUT
BROKEN = select.EPOLLHUP | select.EPOLLERR


class Slot:
    __slots__ = ("reader", "writer")

    def __init__(self):
        self.reader = self.writer = None

    def mask(self):
        return (READ if self.reader else 0) | (WRITE if self.writer else 0)


class Loop:
    def __init__(self):
        self.queue = deque()
        self.timers = []
        self.count = 0
        self.slots = {}
        self.epoll = select.epoll()
        self.current = None

    def spawn(self, task):
        self.queue.append(task)

    def run(self):
        queue = self.queue
        while queue or self.timers or self.slots:
            self.collect()
            for _ in range(len(queue)):
                self.current = task = queue.popleft()
                try:
                    if next(task) is not None:
                        queue.append(task)
                except SystemExit:
                    raise
                except BaseException:
                    pass
            self.current = task = None

    def collect(self):
        if self.queue:
            timeout = 0
        elif self.timers:
            timeout = max(0.0, self.timers[0][0] - monotonic())
        else:
            timeout = -1
        for fd, events in self.epoll.poll(timeout):
            slot = self.slots.get(fd)
            if slot is None:
                continue
            if slot.reader and events & (READ | BROKEN):
                self.queue.append(slot.reader)
                slot.reader = None
            if slot.writer and events & (WRITE | BROKEN):
                self.queue.append(slot.writer)
                slot.writer = None
            if slot.mask():
                self.arm(fd, slot.mask())
            else:
                del self.slots[fd]
        now = monotonic()
        while self.timers and self.timers[0][0] <= now:
            self.queue.append(heappop(self.timers)[2])

    def arm(self, fd, mask):
        mask |= select.EPOLLONESHOT
        try:
            self.epoll.modify(fd, mask)
        except FileNotFoundError:
            self.epoll.register(fd, mask)

    def wait(self, sock, side):
        fd = sock.fileno()
        if fd < 0:
            raise OSError("socket is closed")
        slot = self.slots.setdefault(fd, Slot())
        setattr(slot, side, self.current)
        self.arm(fd, slot.mask())
        yield None  # not queued: whoever finds the socket ready does that

    def turn(self):
        yield "again"

    def sleep(self, seconds):
        due = monotonic() + seconds
        if seconds <= 0:
            yield from self.turn()
        else:
            self.count += 1
            heappush(self.timers, (due, self.count, self.current))
            yield None

    def accept(self, listening):
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                yield from self.wait(listening, "reader")
            except OSError:
                if listening.fileno() < 0:
                    raise
                yield from self.turn()
            else:
                yield from self.turn()
                return connection

    def recv(self, connection, size):
        while True:
            try:
                data = connection.recv(min(size, 262144))
            except BlockingIOError:
                yield from self.wait(connection, "reader")
            else:
                break
        yield from self.turn()
        return data

    def send(self, connection, data):
        with memoryview(data) as view:
            at = 0
            while True:
                try:
                    at += connection.send(view[at : at + 262144])
                except BlockingIOError:
                    yield from self.wait(connection, "writer")
                    continue
                yield from self.turn()
                if at >= len(view):
                    return at
