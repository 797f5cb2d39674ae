# lacks turns and sleeps: one sleeper wakes in each round, so with 100 due at once the last waits for 100 calls of a busy task
import selectors
import time
from collections import deque
from heapq import heappush, heappop


class Loop:
    def __init__(self):
        self.sel = selectors.EpollSelector()
        self.ready = deque()
        self.asleep = []
        self.order = 0
        self.alive = set()
        self.me = None

    def spawn(self, task):
        self.alive.add(task)
        self.ready.append(task)

    def pause(self):
        self.ready.append(self.me)
        yield

    def sleep(self, seconds):
        if seconds <= 0:
            return (yield from self.pause())
        self.order += 1
        heappush(self.asleep, (time.monotonic() + seconds, self.order, self.me))
        yield

    def wait(self, sock, event):
        fd = sock.fileno()
        try:
            key = self.sel.get_key(fd)
        except KeyError:
            self.sel.register(fd, event, {event: self.me})
        else:
            self.sel.modify(fd, key.events | event, {**key.data, event: self.me})
        yield

    def accept(self, listening):
        while True:
            yield from self.wait(listening, selectors.EVENT_READ)
            try:
                return listening.accept()[0]
            except BlockingIOError:
                pass
            except OSError:
                yield from self.sleep(0.1)

    def recv(self, connection, size):
        yield from self.pause()
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield from self.wait(connection, selectors.EVENT_READ)

    def send(self, connection, data):
        yield from self.pause()
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                yield from self.wait(connection, selectors.EVENT_WRITE)

    def run(self):
        while self.alive:
            timeout = None
            if self.ready:
                timeout = 0
            elif self.asleep:
                timeout = max(0, self.asleep[0][0] - time.monotonic())
            for key, events in self.sel.select(timeout):
                left = dict(key.data)
                for event in sorted(key.data):
                    if event & events:
                        self.ready.append(left.pop(event))
                if left:
                    self.sel.modify(key.fd, sum(left), left)
                else:
                    self.sel.unregister(key.fd)
            if self.asleep and self.asleep[0][0] <= time.monotonic():
                self.ready.append(heappop(self.asleep)[2])
            for _ in range(len(self.ready)):
                task = self.me = self.ready.popleft()
                try:
                    next(task)
                except SystemExit:
                    raise
                except BaseException:
                    self.alive.remove(task)
            self.me = task = None
