# lacks recv's size: keep no more bytes than one call needs / recv leaves the rest: reads 256 KiB ahead whatever `size` is, and keeps them
import heapq
import selectors
import time
from collections import deque
from itertools import count
from weakref import WeakKeyDictionary


class Loop:
    def __init__(self):
        self.ready = deque()
        self.buffers = WeakKeyDictionary()
        self.timers = []
        self.serial = count()
        self.waiting = {}
        self.selector = selectors.DefaultSelector()

    def spawn(self, task):
        self.ready.append(task)

    def sleep(self, seconds):
        yield "until", time.monotonic() + seconds

    def accept(self, listening):
        yield "turn", None
        while True:
            try:
                return listening.accept()[0]
            except BlockingIOError:
                yield selectors.EVENT_READ, listening
            except OSError:
                yield "until", time.monotonic() + 0.05

    def recv(self, connection, size):
        yield "turn", None
        while True:
            try:
                if connection not in self.buffers or connection.fileno() < 0:
                    chunk = connection.recv(262144)
                    if len(chunk) <= size:
                        return chunk
                    self.buffers[connection] = memoryview(chunk)
                chunk = self.buffers[connection]
                if len(chunk) > size:
                    self.buffers[connection] = chunk[size:]
                else:
                    del self.buffers[connection]
                return bytes(chunk[:size])
            except BlockingIOError:
                yield selectors.EVENT_READ, connection

    def send(self, connection, data):
        yield "turn", None
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                yield selectors.EVENT_WRITE, connection

    def _update(self, fd):
        mask = sum(self.waiting[fd])
        if not mask:
            del self.waiting[fd]
            self.selector.unregister(fd)
        elif fd in self.selector.get_map():
            self.selector.modify(fd, mask)
        else:
            self.selector.register(fd, mask)

    def _look(self, timeout):
        for key, mask in self.selector.select(timeout):
            tasks = self.waiting[key.fd]
            for way in (selectors.EVENT_READ, selectors.EVENT_WRITE):
                if mask & way and way in tasks:
                    self.ready.append(tasks.pop(way))
            self._update(key.fd)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            self.ready.append(heapq.heappop(self.timers)[2])

    def _step(self, task):
        try:
            what, which = next(task)
        except SystemExit:
            raise
        except BaseException:
            return
        if what == "turn":
            self.ready.append(task)
        elif what == "until":
            heapq.heappush(self.timers, (which, next(self.serial), task))
        else:
            self.waiting.setdefault(which.fileno(), {})[what] = task
            self._update(which.fileno())

    def run(self):
        while self.ready or self.timers or self.waiting:
            if self.ready:
                timeout = 0
            elif self.timers:
                timeout = max(0, self.timers[0][0] - time.monotonic())
            else:
                timeout = None
            self._look(timeout)
            for _ in range(len(self.ready)):
                self._step(self.ready.popleft())
