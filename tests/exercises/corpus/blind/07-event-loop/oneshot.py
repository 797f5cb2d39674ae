# right
import errno
import heapq
import select
import time

IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Loop:
    """Raw epoll with EPOLLONESHOT; the tasks yield requests, and run() obeys."""

    def __init__(self):
        self.epoll = select.epoll()
        self.now = []       # (task, exception or None)
        self.next = []
        self.heap = []
        self.n = 0
        self.fds = {}       # fd -> [socket, readers, writers]

    def spawn(self, task):
        self.now.append((task, None))

    def run(self):
        while self.now or self.next or self.heap or self.fds:
            if self.now or self.next:
                timeout = 0
            elif self.heap:
                timeout = min(max(self.heap[0][0] - time.monotonic(), 0), 600)
            else:
                timeout = -1
            for fd, events in self.epoll.poll(timeout):
                self.wake(fd, events & ~OUT, events & ~IN)
            moment = time.monotonic()
            while self.heap and self.heap[0][0] <= moment:
                self.now.append((heapq.heappop(self.heap)[2], None))
            batch = self.now + self.next
            self.now, self.next = [], []
            while batch:
                task, error = batch.pop(0)
                try:
                    request = task.throw(error) if error else task.send(None)
                except SystemExit:
                    self.now = batch + self.now
                    raise
                except BaseException:
                    continue
                self.obey(task, request)

    def obey(self, task, request):
        if request is None:
            self.next.append((task, None))
        elif request[0] == "until":
            self.n += 1
            heapq.heappush(self.heap, (request[1], self.n, task))
        else:
            sock = request[1]
            fd = sock.fileno()
            if fd < 0:
                self.now.append((task, OSError(errno.EBADF, "closed")))
                return
            if fd in self.fds and self.fds[fd][0] is not sock:
                self.wake(fd, 1, 1)
            entry = self.fds.setdefault(fd, [sock, [], []])
            entry[1 if request[0] == "read" else 2].append(task)
            try:
                self.arm(fd)
            except OSError as error:
                entry[1 if request[0] == "read" else 2].remove(task)
                self.now.append((task, error))

    def arm(self, fd):
        _, readers, writers = self.fds[fd]
        mask = (IN if readers else 0) | (OUT if writers else 0)
        if not mask:
            del self.fds[fd]
            try:
                self.epoll.unregister(fd)
            except OSError:
                pass
            return
        mask |= select.EPOLLONESHOT
        try:
            self.epoll.modify(fd, mask)
        except FileNotFoundError:
            self.epoll.register(fd, mask)

    def wake(self, fd, reads, writes):
        entry = self.fds.get(fd)
        if entry is None:
            return
        for flag, tasks in (reads, entry[1]), (writes, entry[2]):
            if flag:
                self.now += [(task, None) for task in tasks]
                tasks.clear()
        self.arm(fd)

    def sleep(self, seconds):
        if seconds > 0:
            yield "until", time.monotonic() + seconds
        else:
            yield

    def accept(self, listening):
        listening.setblocking(False)
        yield
        while True:
            try:
                connection, address = listening.accept()
                connection.setblocking(False)
                return connection
            except BlockingIOError:
                yield "read", listening
            except OSError:
                yield

    def recv(self, connection, size):
        connection.setblocking(False)
        yield
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield "read", connection

    def send(self, connection, data):
        connection.setblocking(False)
        yield
        view = memoryview(data).cast("B")
        while len(view):
            try:
                count = connection.send(view[:262144])
            except BlockingIOError:
                yield "write", connection
            else:
                view = view[count:]
                yield
