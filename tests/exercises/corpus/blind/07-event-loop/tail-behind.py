# lacks slow reader's bytes: `send` returns when all is sent: it returns with up to 64 KiB unsent if the kernel takes no more, a helper task sends them (lost if the connection is closed)
import heapq
import selectors
import time
from collections import deque
from itertools import count
from weakref import WeakKeyDictionary


class Loop:
    def __init__(self):
        self.ready = deque()
        self.tails = WeakKeyDictionary()        # connection: what a flusher still sends
        self.flushers = set()
        self.parked = WeakKeyDictionary()
        self.users = 0
        self.timers = []
        self.serial = count()
        self.waiting = {}
        self.selector = selectors.DefaultSelector()

    def spawn(self, task):
        self.users += 1
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

    def send(self, connection, data):
        yield "turn", None
        if connection in self.tails:            # the end of the message before
            yield "tail", connection
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                if len(rest) <= 65536:          # little enough: need not keep the task
                    self.tails[connection] = bytes(rest)
                    flusher = self._flush(connection)
                    self.flushers.add(flusher)
                    self.ready.append(flusher)
                    return
                yield selectors.EVENT_WRITE, connection

    def _flush(self, connection):
        try:
            while self.tails[connection]:
                try:
                    self.tails[connection] = self.tails[connection][connection.send(self.tails[connection]):]
                except BlockingIOError:
                    yield selectors.EVENT_WRITE, connection
        finally:
            del self.tails[connection]
            if connection in self.parked:
                self.ready.append(self.parked.pop(connection))

    def _update(self, fd):
        mask = sum(self.waiting[fd])
        if not mask:
            del self.waiting[fd]
            self.selector.unregister(fd)
        elif fd in self.selector.get_map():
            try:
                self.selector.modify(fd, mask)
            except FileNotFoundError:           # closed meanwhile, and another one by now
                self.selector.register(fd, mask)
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
            if task in self.flushers:
                self.flushers.discard(task)
            else:
                self.users -= 1
            return
        if what == "turn":
            self.ready.append(task)
        elif what == "tail":
            self.parked[which] = task
        elif what == "until":
            heapq.heappush(self.timers, (which, next(self.serial), task))
        else:
            self.waiting.setdefault(which.fileno(), {})[what] = task
            self._update(which.fileno())

    def run(self):
        while self.users:
            if self.ready:
                timeout = 0
            elif self.timers:
                timeout = max(0, self.timers[0][0] - time.monotonic())
            else:
                timeout = None
            self._look(timeout)
            for _ in range(len(self.ready)):
                self._step(self.ready.popleft())
