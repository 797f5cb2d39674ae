# right
import errno, heapq, select, time
from collections import deque


class Loop:
    """Everything happens in run(): select.poll, one giant function, three lists."""

    def __init__(self):
        self.fresh = deque()

    def spawn(self, task):
        self.fresh.append(task)

    def sleep(self, seconds):
        yield "sleep", seconds

    def accept(self, listening):
        yield "turn", None
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                yield "in", listening.fileno()
            except OSError:
                yield "sleep", 0.02
            else:
                return connection

    def recv(self, connection, size):
        yield "turn", None
        while True:
            try:
                return connection.recv(min(size, 65536))
            except BlockingIOError:
                yield "in", connection.fileno()

    def send(self, connection, data):
        yield "turn", None
        with memoryview(data) as whole, whole.cast("B") as view:
            at = 0
            while at < len(view):
                try:
                    at += connection.send(view[at:at + 262144])
                except BlockingIOError:
                    yield "out", connection.fileno()

    def run(self):
        poller = select.poll()
        readers, writers, heap, number = {}, {}, [], 0
        ready = self.fresh

        def arm(fd):
            mask = (select.POLLIN if fd in readers else 0) | (select.POLLOUT if fd in writers else 0)
            if mask:
                poller.register(fd, mask)
            else:
                poller.unregister(fd)

        while ready or readers or writers or heap:
            if ready:
                patience = 0
            elif heap:
                patience = max(0.0, heap[0][0] - time.monotonic()) * 1000
            else:
                patience = None
            for fd, mask in poller.poll(patience):
                odd = mask & ~(select.POLLIN | select.POLLOUT)
                if fd in readers and (odd or mask & select.POLLIN):
                    ready.append(readers.pop(fd))
                if fd in writers and (odd or mask & select.POLLOUT):
                    ready.append(writers.pop(fd))
                arm(fd)
            now = time.monotonic()
            while heap and heap[0][0] <= now:
                ready.append(heapq.heappop(heap)[2])
            for _ in range(len(ready)):
                task = ready.popleft()
                try:
                    what, which = task.send(None)
                except SystemExit:
                    self.kept = readers, writers, heap     # nobody is closed behind our back
                    raise
                except BaseException:
                    continue
                if what == "turn":
                    ready.append(task)
                elif what == "sleep":
                    number += 1
                    heapq.heappush(heap, (time.monotonic() + which, number, task))
                else:
                    (readers if what == "in" else writers)[which] = task
                    arm(which)
