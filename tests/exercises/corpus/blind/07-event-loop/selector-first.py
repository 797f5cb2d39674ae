# right
import errno
import heapq
import itertools
import selectors
import time


class Task:
    def __init__(self, generator):
        self.generator = generator

    def step(self):
        """Whether it goes on."""
        try:
            self.generator.send(None)
        except SystemExit:
            raise
        except BaseException:
            return False
        return True


class Loop:
    """Always asks the selector first, then calls; both directions have their own keys."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.run_next, self.after = [], []
        self.timers, self.tick = [], itertools.count()
        self.read, self.write = {}, {}
        self.task = None

    def spawn(self, task):
        self.run_next.append(Task(task))

    def _register(self, sock):
        mask = (selectors.EVENT_READ if sock in self.read else 0) | (
            selectors.EVENT_WRITE if sock in self.write else 0)
        try:
            key = self.selector.get_key(sock)
        except (KeyError, ValueError):
            key = None
        if key is not None and key.fileobj is not sock:
            self.selector.unregister(key.fileobj)
            for table in self.read, self.write:
                self.run_next.extend(table.pop(key.fileobj, ()))
            key = None
        if key is not None:
            if mask:
                self.selector.modify(sock, mask)
            else:
                self.selector.unregister(sock)
        elif mask:
            self.selector.register(sock, mask)

    def _until(self, table, sock):
        if sock.fileno() < 0:
            raise OSError(errno.EBADF, "closed")
        table.setdefault(sock, []).append(self.task)
        self._register(sock)
        yield

    def _again(self):
        self.after.append(self.task)
        yield

    def run(self):
        while self.run_next or self.after or self.timers or self.read or self.write:
            timeout = None
            if self.run_next or self.after:
                timeout = 0
            elif self.timers:
                timeout = min(max(self.timers[0][0] - time.monotonic(), 0), 86400)
            for key, events in self.selector.select(timeout):
                if events & selectors.EVENT_READ:
                    self.run_next.extend(self.read.pop(key.fileobj, ()))
                if events & selectors.EVENT_WRITE:
                    self.run_next.extend(self.write.pop(key.fileobj, ()))
                self._register(key.fileobj)
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                self.run_next.append(heapq.heappop(self.timers)[2])
            batch = self.run_next + self.after
            self.run_next, self.after = [], []
            batch.reverse()
            try:
                while batch:
                    self.task = batch.pop()
                    self.task.step()
            finally:
                self.run_next[:0] = reversed(batch)

    def sleep(self, seconds):
        if seconds > 0:
            heapq.heappush(self.timers,
                           (time.monotonic() + seconds, next(self.tick), self.task))
            yield
        else:
            yield from self._again()

    def accept(self, listening):
        listening.setblocking(False)
        while True:
            yield from self._until(self.read, listening)
            try:
                connection, address = listening.accept()
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        while True:
            yield from self._until(self.read, connection)
            try:
                connection.setblocking(False)
                return connection.recv(size)
            except BlockingIOError:
                pass

    def send(self, connection, data):
        view = memoryview(data).cast("B")
        yield from self._again()
        while view:
            yield from self._until(self.write, connection)
            try:
                connection.setblocking(False)
                view = view[connection.send(view):]
            except BlockingIOError:
                pass
