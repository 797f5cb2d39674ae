# right
import errno
import select
import time
from bisect import insort
from collections import deque


class Side:
    """Those that wait for one direction: an epoll of their own."""

    def __init__(self, mask):
        self.mask, self.epoll, self.tasks = mask, select.epoll(), {}

    def add(self, sock, task):
        fd = sock.fileno()
        if fd < 0:
            raise OSError(errno.EBADF, "closed")
        known = self.tasks.get(fd)
        freed = []
        if known and known[0] is not sock:
            freed = known[1]
            known = None
            try:
                self.epoll.unregister(fd)
            except OSError:
                pass
        if known:
            known[1].append(task)
        else:
            self.epoll.register(fd, self.mask)
            self.tasks[fd] = (sock, [task])
        return freed

    def poll(self):
        found = []
        for fd, _ in self.epoll.poll(0):
            found += self.tasks.pop(fd)[1]
            self.epoll.unregister(fd)
        return found


class Loop:
    def __init__(self):
        self.reads, self.writes = Side(select.EPOLLIN), Side(select.EPOLLOUT)
        self.both = select.epoll()
        self.both.register(self.reads.epoll.fileno(), select.EPOLLIN)
        self.both.register(self.writes.epoll.fileno(), select.EPOLLIN)
        self.fresh, self.turn, self.again = deque(), deque(), deque()
        self.sleepers = []
        self.number = 0
        self.task = None

    def spawn(self, task):
        self.fresh.append(task)

    def run(self):
        while True:
            timeout = -1
            if self.fresh or self.turn or self.again:
                timeout = 0
            elif self.sleepers:
                timeout = min(max(self.sleepers[0][0] - time.monotonic(), 0), 1000)
            elif not self.reads.tasks and not self.writes.tasks:
                return
            if self.both.poll(timeout):
                self.turn.extend(self.reads.poll())
                self.turn.extend(self.writes.poll())
            now, due = time.monotonic(), 0
            while due < len(self.sleepers) and self.sleepers[due][0] <= now:
                self.turn.append(self.sleepers[due][2])
                due += 1
            del self.sleepers[:due]
            for queue in self.fresh, self.again:
                self.turn.extend(queue)
                queue.clear()
            for _ in range(len(self.turn)):
                self.task = self.turn.popleft()
                try:
                    if next(self.task) != "parked":
                        self.again.append(self.task)
                except SystemExit:
                    raise
                except BaseException:
                    pass
                self.task = None

    def park(self, side, sock):
        self.again.extend(side.add(sock, self.task))
        yield "parked"

    def sleep(self, seconds):
        if seconds > 0:
            self.number += 1
            insort(self.sleepers, (time.monotonic() + seconds, self.number, self.task))
            yield "parked"
        else:
            yield "again"

    def accept(self, listening):
        listening.setblocking(False)
        yield "again"
        while True:
            try:
                connection, address = listening.accept()
            except BlockingIOError:
                yield from self.park(self.reads, listening)
            except OSError:
                yield "again"
            else:
                connection.setblocking(False)
                return connection

    def recv(self, connection, size):
        yield "again"
        connection.setblocking(False)
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield from self.park(self.reads, connection)

    def send(self, connection, data):
        yield "again"
        connection.setblocking(False)
        data, done = memoryview(data).cast("B"), 0
        while done < len(data):
            try:
                done += connection.send(data[done:])
            except BlockingIOError:
                yield from self.park(self.writes, connection)
            else:
                yield "again"
