# right
import errno
import heapq
import selectors
import time
from collections import deque
from selectors import EVENT_READ, EVENT_WRITE


class Loop:
    """A task yields a function, and the loop calls it with the task: a trap."""

    def __init__(self):
        self._runnable = deque()
        self._last = deque()
        self._timers, self._serial = [], 0
        self._selector = selectors.EpollSelector()

    def spawn(self, task):
        self._runnable.append((task, None))

    def run(self):
        while True:
            if self._runnable or self._last:
                wait = 0
            elif self._timers:
                wait = max(0, min(self._timers[0][0] - time.monotonic(), 100_000))
            elif self._selector.get_map():
                wait = None
            else:
                break
            for key, events in self._selector.select(wait):
                waiting = key.data[1]
                for event in list(waiting):
                    if event & events:
                        self._runnable.extend((t, None) for t in waiting.pop(event))
                self._settle(key)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._runnable.append((heapq.heappop(self._timers)[-1], None))
            self._runnable += self._last
            self._last.clear()
            for _ in range(len(self._runnable)):
                task, error = self._runnable.popleft()
                try:
                    trap = task.send(None) if error is None else task.throw(error)
                except SystemExit:
                    raise
                except BaseException:
                    pass
                else:
                    try:
                        trap(task)
                    except OSError as problem:
                        self._runnable.append((task, problem))

    def _settle(self, key):
        mask = 0
        for event in key.data[1]:
            mask |= event
        if mask:
            self._selector.modify(key.fd, mask, key.data)
        else:
            self._selector.unregister(key.fd)

    def _turn(self, task):
        self._last.append((task, None))

    def _until(self, due):
        def trap(task):
            self._serial += 1
            heapq.heappush(self._timers, (due, self._serial, task))
        return trap

    def _ready(self, sock, event):
        def trap(task):
            fd = sock.fileno()
            if fd < 0:
                raise OSError(errno.EBADF, "closed")
            key = self._selector.get_map().get(fd)
            if key is not None and key.data[0] is not sock:
                self._selector.unregister(fd)      # closed, and the number is used again
                for tasks in key.data[1].values():
                    self._runnable.extend((t, None) for t in tasks)
                key = None
            if key is None:
                self._selector.register(fd, event, (sock, {event: [task]}))
            else:
                key.data[1].setdefault(event, []).append(task)
                self._settle(key)
        return trap

    def sleep(self, seconds):
        yield self._until(time.monotonic() + seconds) if seconds > 0 else self._turn

    def accept(self, listening):
        yield self._turn
        listening.setblocking(False)
        while True:
            try:
                connection, address = listening.accept()
            except BlockingIOError:
                yield self._ready(listening, EVENT_READ)
            except OSError:
                yield self._turn
            else:
                connection.setblocking(False)
                return connection

    def recv(self, connection, size):
        yield self._turn
        connection.setblocking(False)
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield self._ready(connection, EVENT_READ)

    def send(self, connection, data):
        yield self._turn
        connection.setblocking(False)
        with memoryview(data) as view, view.cast("B") as raw:
            sent = 0
            while sent < len(raw):
                try:
                    sent += connection.send(raw[sent:sent + 65536])
                    yield self._turn
                except BlockingIOError:
                    yield self._ready(connection, EVENT_WRITE)
