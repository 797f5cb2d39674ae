# right
import collections
import errno
import heapq
import itertools
import selectors
import time

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
PARKED = object()


class Loop:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.ready = collections.deque()
        self.later = []          # had a turn, and want the next one
        self.timers = []
        self.order = itertools.count()
        self.waiting = {}        # fd -> (socket, {event: [tasks]})
        self.current = None

    def spawn(self, task):
        self.ready.append(task)
        return task

    def run(self):
        while self.ready or self.later or self.timers or self.waiting:
            if self.ready or self.later:
                timeout = 0
            elif self.timers:
                timeout = min(max(self.timers[0][0] - time.monotonic(), 0), 3600)
            else:
                timeout = None
            for key, events in self.selector.select(timeout):
                for event in (READ, WRITE):
                    if events & event:
                        self._wake(key.fd, event)
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                self.ready.append(heapq.heappop(self.timers)[2])
            self.ready.extend(self.later)
            self.later.clear()
            for _ in range(len(self.ready)):
                self._step(self.ready.popleft())

    def _step(self, task):
        self.current = task
        try:
            what = task.send(None)
        except SystemExit:
            raise
        except BaseException:
            return
        finally:
            self.current = None
        if what is not PARKED:
            self.later.append(task)

    def _interest(self, fd):
        sock, tasks = self.waiting[fd]
        events = sum(tasks)
        known = fd in self.selector.get_map()
        if not events:
            del self.waiting[fd]
            if known:
                self.selector.unregister(fd)
        elif known:
            self.selector.modify(fd, events)
        else:
            self.selector.register(fd, events)

    def _wake(self, fd, event):
        if fd in self.waiting:
            self.ready.extend(self.waiting[fd][1].pop(event, ()))
            self._interest(fd)

    def _wait(self, sock, event):
        fd = sock.fileno()
        if fd < 0:
            raise OSError(errno.EBADF, "closed")
        if fd in self.waiting and self.waiting[fd][0] is not sock:
            old = self.waiting[fd][1]
            for tasks in old.values():
                self.ready.extend(tasks)
            old.clear()     # the old socket was closed meanwhile
            self._interest(fd)
        tasks = self.waiting.setdefault(fd, (sock, {}))[1]
        tasks.setdefault(event, []).append(self.current)
        self._interest(fd)
        yield PARKED

    def sleep(self, seconds):
        if seconds <= 0:
            yield
        else:
            due = time.monotonic() + seconds
            heapq.heappush(self.timers, (due, next(self.order), self.current))
            yield PARKED

    def accept(self, listening):
        yield
        if listening.gettimeout() != 0:
            listening.setblocking(False)
        while True:
            try:
                connection, address = listening.accept()
                break
            except BlockingIOError:
                yield from self._wait(listening, READ)
            except OSError:
                yield
        connection.setblocking(False)
        return connection

    def recv(self, connection, size):
        yield
        if connection.gettimeout() != 0:
            connection.setblocking(False)
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield from self._wait(connection, READ)

    def send(self, connection, data):
        yield
        if connection.gettimeout() != 0:
            connection.setblocking(False)
        rest = memoryview(data).cast("B")
        while rest:
            try:
                rest = rest[connection.send(rest):]
                yield
            except BlockingIOError:
                yield from self._wait(connection, WRITE)
