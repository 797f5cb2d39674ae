# right
import select
import time
from collections import deque


class Loop:
    """select.select, for there are no more than 256 descriptors."""

    def __init__(self):
        self.turn, self.later = deque(), deque()
        self.reading, self.writing, self.sleeping = [], [], []   # (what, task)

    def spawn(self, task):
        self.turn.append(task)

    @staticmethod
    def _split(pairs, good):
        yes, no = [], []
        for pair in pairs:
            (yes if good(pair[0]) else no).append(pair)
        return [task for _, task in yes], no

    def run(self):
        while self.turn or self.later or self.reading or self.writing or self.sleeping:
            for pairs in self.reading, self.writing:
                closed, pairs[:] = self._split(pairs, lambda sock: sock.fileno() < 0)
                self.turn.extend(closed)
            if self.turn or self.later:
                timeout = 0
            elif self.sleeping:
                first = min(due for due, _ in self.sleeping)
                timeout = min(max(0, first - time.monotonic()), 5000)
            else:
                timeout = None
            r, w, _ = select.select({s for s, _ in self.reading},
                                    {s for s, _ in self.writing}, [], timeout)
            r, w, now = set(r), set(w), time.monotonic()
            woken, self.reading = self._split(self.reading, r.__contains__)
            self.turn.extend(woken)
            woken, self.writing = self._split(self.writing, w.__contains__)
            self.turn.extend(woken)
            woken, self.sleeping = self._split(self.sleeping, lambda due: due <= now)
            self.turn.extend(woken)
            self.turn.extend(self.later)
            self.later.clear()
            for _ in range(len(self.turn)):
                task = self.turn.popleft()
                try:
                    where, what = task.send(None)
                except SystemExit:
                    raise
                except BaseException:
                    continue
                if where is self.later:
                    where.append(task)
                else:
                    getattr(self, where).append((what, task))

    def sleep(self, seconds):
        if seconds > 0:
            yield "sleeping", time.monotonic() + seconds
        else:
            yield self.later, None

    def _try(self, where, sock, call, *arguments):
        sock.setblocking(False)
        while True:
            try:
                return call(*arguments)
            except BlockingIOError:
                yield where, sock

    def accept(self, listening):
        while True:
            yield self.later, None
            try:
                connection, address = yield from self._try(
                    "reading", listening, listening.accept)
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        yield self.later, None
        return (yield from self._try("reading", connection, connection.recv, size))

    def send(self, connection, data):
        yield self.later, None
        data = memoryview(data).cast("B")
        while data:
            count = yield from self._try("writing", connection, connection.send, data)
            data = data[count:]
            yield self.later, None
