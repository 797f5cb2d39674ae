# lacks recv's size: 'Keep no more bytes than one call needs': recv with a small size takes up to 4,096 bytes from the kernel and keeps the rest, by descriptor: where a task closes its connection before it has asked for all, the next connection with that number begins with the bytes of the former one
import collections
import heapq
import itertools
import selectors
import time


class Loop:
    def __init__(self):
        self._ready = collections.deque()  # (task, exception to throw or None)
        self._sleeping = []
        self._ids = itertools.count()
        self._ahead = {}  # fd -> bytes received and not asked for yet
        self._waiting = {}  # fd -> {event: task}
        self._selector = selectors.DefaultSelector()

    def spawn(self, task):
        self._ready.append((task, None))

    def run(self):
        while self._ready or self._sleeping or self._waiting:
            self._look(self._timeout())
            for _ in range(len(self._ready)):
                self._step(*self._ready.popleft())

    def _timeout(self):
        if self._ready:
            return 0
        if self._sleeping:
            return max(0, self._sleeping[0][0] - time.monotonic())
        return None

    def _look(self, timeout):
        for key, events in self._selector.select(timeout):
            waiters = self._waiting[key.fd]
            for event in list(waiters):
                if events & event:
                    self._ready.append((waiters.pop(event), None))
            self._watch(key.fd)
        now = time.monotonic()
        while self._sleeping and self._sleeping[0][0] <= now:
            self._ready.append((heapq.heappop(self._sleeping)[2], None))

    def _watch(self, fd):
        mask = 0
        for event in self._waiting.get(fd, ()):
            mask |= event
        known = fd in self._selector.get_map()
        if not mask:
            self._waiting.pop(fd, None)
            if known:
                self._selector.unregister(fd)
        elif known:
            self._selector.modify(fd, mask)
        else:
            self._selector.register(fd, mask)

    def _step(self, task, error):
        try:
            trap = task.send(None) if error is None else task.throw(error)
        except SystemExit:
            raise
        except BaseException:
            return
        if trap is None:
            self._ready.append((task, None))
            return
        what, argument = trap
        if what == "sleep":
            heapq.heappush(self._sleeping, (argument, next(self._ids), task))
            return
        try:
            fd = argument.fileno()
            if fd < 0:
                raise ValueError("closed")
            self._waiting.setdefault(fd, {})[what] = task
            self._watch(fd)
        except (OSError, ValueError) as problem:
            self._ready.append((task, problem))

    def sleep(self, seconds):
        if seconds <= 0:
            yield
        else:
            yield "sleep", time.monotonic() + seconds

    def accept(self, listening):
        yield
        while True:
            try:
                return listening.accept()[0]
            except BlockingIOError:
                yield selectors.EVENT_READ, listening
            except OSError:
                if listening.fileno() < 0:
                    raise
                yield

    def recv(self, connection, size):
        yield
        fd = connection.fileno()
        if fd < 0:
            raise ValueError("closed")
        kept = self._ahead.pop(fd, b"")
        while not kept:
            try:
                kept = connection.recv(max(size, 4096))  # fewer system calls where sizes are small
                if not kept:
                    return b""
            except BlockingIOError:
                yield selectors.EVENT_READ, connection
        if len(kept) > size:
            self._ahead[fd] = kept[size:]
        return kept[:size]

    def send(self, connection, data):
        rest = memoryview(data)
        while True:
            yield
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                yield selectors.EVENT_WRITE, connection
                continue
            if not rest:
                return
