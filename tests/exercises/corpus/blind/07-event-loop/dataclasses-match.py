# right
from dataclasses import dataclass, field
from selectors import DefaultSelector, EVENT_READ, EVENT_WRITE
from time import monotonic_ns
from sortedcontainers import SortedKeyList
import math


@dataclass(frozen=True)
class Sleep:
    until: float            # nanoseconds; may be inf


@dataclass(frozen=True)
class Turn:
    pass


@dataclass(frozen=True)
class Ready:
    sock: object
    event: int


@dataclass
class Entry:
    sock: object
    tasks: list = field(default_factory=list)       # (event, task)


class Loop:
    def __init__(self):
        self.runnable = []
        self.turned = []
        self.timers = SortedKeyList(key=lambda pair: pair[0])
        self.entries = {}
        self.selector = DefaultSelector()

    def spawn(self, task):
        self.runnable.append(task)

    def sleep(self, seconds):
        if seconds <= 0:
            yield Turn()
        else:
            yield Sleep(math.inf if math.isinf(seconds) else monotonic_ns() + math.ceil(seconds * 1e9))

    def accept(self, listening):
        listening.setblocking(False)
        while True:
            yield Ready(listening, EVENT_READ)
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        connection.setblocking(False)
        while True:
            yield Ready(connection, EVENT_READ)
            try:
                return connection.recv(size)
            except BlockingIOError:
                continue

    def send(self, connection, data):
        connection.setblocking(False)
        offset = 0
        view = memoryview(data)
        while offset < view.nbytes:
            yield Ready(connection, EVENT_WRITE)
            try:
                offset += connection.send(view[offset:offset + (1 << 17)])
            except BlockingIOError:
                continue

    def _enter(self, task, sock, event):
        fd = sock.fileno()
        if fd == -1:
            self.runnable.append(task)
            return
        entry = self.entries.get(fd)
        if entry and entry.sock is not sock:
            self._leave(fd)
            entry = None
        if entry is None:
            entry = self.entries[fd] = Entry(sock)
            entry.tasks.append((event, task))
            self.selector.register(fd, event, entry)
        else:
            entry.tasks.append((event, task))
            self._mask(fd, entry)

    def _mask(self, fd, entry):
        mask = 0
        for event, _ in entry.tasks:
            mask |= event
        if mask:
            self.selector.modify(fd, mask, entry)
        else:
            self._leave(fd)

    def _leave(self, fd):
        entry = self.entries.pop(fd)
        self.selector.unregister(fd)
        self.runnable += [task for _, task in entry.tasks]

    def _select(self):
        for fd in [fd for fd, entry in self.entries.items() if entry.sock.fileno() != fd]:
            self._leave(fd)
        if self.runnable or self.turned:
            timeout = 0
        elif self.timers:
            timeout = min(max((self.timers[0][0] - monotonic_ns()) / 1e9, 0), 7200)
        else:
            timeout = None
        for key, mask in self.selector.select(timeout):
            entry = key.data
            hit = [task for event, task in entry.tasks if event & mask]
            entry.tasks = [pair for pair in entry.tasks if not pair[0] & mask]
            self.runnable += hit
            self._mask(key.fd, entry)
        now = monotonic_ns()
        while self.timers and self.timers[0][0] <= now:
            self.runnable.append(self.timers.pop(0)[1])
        self.runnable += self.turned
        self.turned = []

    def run(self):
        while self.runnable or self.turned or self.timers or self.entries:
            self._select()
            batch, self.runnable = self.runnable, []
            for task in batch:
                try:
                    wish = task.send(None)
                except StopIteration:
                    continue
                except SystemExit:
                    raise
                except BaseException:
                    continue
                match wish:
                    case Turn():
                        self.turned.append(task)
                    case Sleep(until):
                        self.timers.add((until, task))
                    case Ready(sock, event):
                        self._enter(task, sock, event)
