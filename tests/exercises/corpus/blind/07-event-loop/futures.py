# right
import errno
import heapq
import selectors
import time


class Future:
    def __init__(self):
        self.done, self.value, self.error, self.task = False, None, None, None


class Loop:
    """The loop itself does the calls when they are possible, and settles futures."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.jobs = {}            # fd -> (socket, {event: [(future, call)]})
        self.runnable, self.turns = [], []
        self.alarms, self.serial = [], 0

    def spawn(self, task):
        first = Future()
        first.task = task
        self.runnable.append(first)

    # -- the machine

    def run(self):
        while self.runnable or self.turns or self.alarms or self.jobs:
            timeout = None
            if self.runnable or self.turns:
                timeout = 0
            elif self.alarms:
                timeout = min(max(0, self.alarms[0][0] - time.monotonic()), 1e4)
            for key, events in self.selector.select(timeout):
                self.io(key.fd, events)
            now = time.monotonic()
            while self.alarms and self.alarms[0][0] <= now:
                self.runnable.append(heapq.heappop(self.alarms)[2])
            batch, self.runnable, self.turns = self.runnable + self.turns, [], []
            for index, future in enumerate(batch):
                try:
                    self.resume(future)
                except SystemExit:
                    self.runnable = batch[index + 1:] + self.runnable
                    raise

    def resume(self, future):
        task = future.task
        try:
            if future.error is not None:
                new = task.throw(future.error)
            else:
                new = task.send(future.value)
        except SystemExit:
            raise
        except BaseException:
            return
        new.task = task
        if new.done:
            self.turns.append(new)

    def io(self, fd, events):
        sock, queues = self.jobs[fd]
        for event in [e for e in queues if e & events]:
            future, call = queues[event][0]
            try:
                future.value = call()
            except BlockingIOError:
                continue
            except BaseException as error:   # a SystemExit goes through the task
                future.error = error
            future.done = True
            queues[event].pop(0)
            if not queues[event]:
                del queues[event]
            self.runnable.append(future)
        self.watch(fd)

    def watch(self, fd):
        sock, queues = self.jobs[fd]
        mask = 0
        for event in queues:
            mask |= event
        known = fd in self.selector.get_map()
        if not mask:
            del self.jobs[fd]
            if known:
                self.selector.unregister(fd)
        elif known:
            self.selector.modify(fd, mask)
        else:
            self.selector.register(fd, mask)

    def when(self, sock, event, call):
        future, fd = Future(), sock.fileno()
        if fd < 0:
            raise OSError(errno.EBADF, "closed")
        sock.setblocking(False)
        if fd in self.jobs and self.jobs[fd][0] is not sock:
            for queue in self.jobs[fd][1].values():
                for old, _ in queue:
                    old.done, old.error = True, OSError(errno.EBADF, "closed")
                    self.runnable.append(old)
            self.jobs[fd][1].clear()
            self.watch(fd)
        self.jobs.setdefault(fd, (sock, {}))[1].setdefault(event, []).append((future, call))
        self.watch(fd)
        return future

    # -- for the tasks

    def sleep(self, seconds):
        future = Future()
        if seconds > 0:
            self.serial += 1
            heapq.heappush(self.alarms, (time.monotonic() + seconds, self.serial, future))
        else:
            future.done = True
        yield future

    def accept(self, listening):
        while True:
            try:
                connection, address = yield self.when(
                    listening, selectors.EVENT_READ, listening.accept)
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        return (yield self.when(connection, selectors.EVENT_READ,
                                lambda: connection.recv(size)))

    def send(self, connection, data):
        rest = memoryview(data).cast("B")
        if not rest:
            yield from self.sleep(0)
        while rest:
            count = yield self.when(connection, selectors.EVENT_WRITE,
                                    lambda: connection.send(rest))
            rest = rest[count:]
