# lacks tasks that raise: selectors; what a connection waits for is registered outside of the task (in the loop) before the first system call.
# WRONG: selectors; what a connection waits for is registered outside of the task (in the loop) before the first system call.
# Breaks "Where the connection was closed on this side before, both raise an OSError or a ValueError in it": the ValueError
# of the selector (descriptor -1) is raised in run(), and ends everything; the task never sees it.
import collections
import heapq
import itertools
import selectors
import time


class Loop:
    def __init__(self):
        self.ready = collections.deque()
        self.timers = []
        self.number = itertools.count()
        self.selector = selectors.DefaultSelector()
        self.alive = 0

    def spawn(self, task):
        self.alive += 1
        self.ready.append(task)

    # what tasks wait for
    def sleep(self, seconds):
        yield ("sleep", seconds)

    def accept(self, listening):
        yield ("turn",)
        while True:
            try:
                return listening.accept()[0]
            except BlockingIOError:
                yield ("io", listening, 0)
            except OSError:
                # a client gave up, or no descriptor is left: rest a little
                yield ("sleep", 0.1)

    def recv(self, connection, size):
        yield ("io", connection, 0)
        size = min(size, 1 << 18)
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield ("io", connection, 0)

    def send(self, connection, data):
        yield ("io", connection, 1)
        view = memoryview(data).cast("B")
        while view.nbytes:
            try:
                view = view[connection.send(view):]
                if view.nbytes:
                    yield ("turn",)
            except BlockingIOError:
                yield ("io", connection, 1)

    # the machine
    def want(self, sock, direction, task):
        mask = (selectors.EVENT_READ, selectors.EVENT_WRITE)[direction]
        fd = sock.fileno()
        key = self.selector.get_map().get(fd)
        if key is None:
            slots = [None, None]
            slots[direction] = task
            self.selector.register(fd, mask, slots)
        else:
            key.data[direction] = task
            self.selector.modify(fd, key.events | mask, key.data)

    def poll(self, timeout):
        if not self.selector.get_map():
            # a selector without descriptors still waits
            pass
        for key, mask in self.selector.select(timeout):
            left = key.events
            for direction, bit in ((0, selectors.EVENT_READ), (1, selectors.EVENT_WRITE)):
                if mask & bit and key.data[direction] is not None:
                    self.ready.append(key.data[direction])
                    key.data[direction] = None
                    left &= ~bit
            if left:
                self.selector.modify(key.fd, left, key.data)
            else:
                self.selector.unregister(key.fd)

    def step(self, task):
        try:
            what = next(task)
        except SystemExit:
            raise
        except BaseException:
            self.alive -= 1
            return
        if what[0] == "turn":
            self.ready.append(task)
        elif what[0] == "sleep":
            heapq.heappush(self.timers, (time.monotonic() + what[1], next(self.number), task))
        else:
            self.want(what[1], what[2], task)

    def run(self):
        while self.alive:
            if self.ready:
                timeout = 0
            elif self.timers:
                timeout = min(3600, max(0, self.timers[0][0] - time.monotonic()))
            else:
                timeout = None
            self.poll(timeout)
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                self.ready.append(heapq.heappop(self.timers)[2])
            for _ in range(len(self.ready)):
                self.step(self.ready.popleft())
