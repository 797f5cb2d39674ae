# lacks turns and sleeps: epoll_wait returns one event a round, so of 100 sockets ready at once the last waits for 100 calls of a busy task
import contextlib
import heapq
import select
import time


class Loop:
    def __init__(self):
        self.epoll = select.epoll()
        self.runnable = []
        self.timers = []
        self.stamp = 0
        self.alive = 0
        self.waits = {}

    def spawn(self, task):
        self.alive += 1
        self.runnable.append(task)

    def sleep(self, seconds):
        deadline = time.monotonic() + seconds

        def park(task):
            self.stamp += 1
            heapq.heappush(self.timers, (deadline, self.stamp, task))
        yield park

    def accept(self, listening):
        yield self.runnable_append
        while True:
            with contextlib.suppress(BlockingIOError):
                try:
                    connection, _ = listening.accept()
                    return connection
                except BlockingIOError:
                    raise
                except OSError:
                    yield from self.sleep(0.1)
                    continue
            yield self.until(listening, select.EPOLLIN)

    def recv(self, connection, size):
        yield self.runnable_append
        while True:
            with contextlib.suppress(BlockingIOError):
                return connection.recv(size)
            yield self.until(connection, select.EPOLLIN)

    def send(self, connection, data):
        yield self.runnable_append
        view = memoryview(data)
        while view:
            with contextlib.suppress(BlockingIOError):
                view = view[connection.send(view):]
                continue
            yield self.until(connection, select.EPOLLOUT)

    def runnable_append(self, task):
        self.runnable.append(task)

    def until(self, sock, mask):
        fd = sock.fileno()

        def park(task):
            others = self.waits.setdefault(fd, [])
            others.append((mask, task))
            if len(others) == 1:
                self.epoll.register(fd, mask)
            else:
                self.epoll.modify(fd, others[0][0] | mask)
        return park

    def poll_one(self, timeout):
        for fd, events in self.epoll.poll(timeout, 1):
            others = self.waits.pop(fd)
            stay = []
            for mask, task in sorted(others, key=lambda other: other[0]):
                if events & (mask | select.EPOLLERR | select.EPOLLHUP):
                    self.runnable.append(task)
                else:
                    stay.append((mask, task))
            if stay:
                self.waits[fd] = stay
                self.epoll.modify(fd, stay[0][0])
            else:
                self.epoll.unregister(fd)

    def run(self):
        while self.alive:
            if self.runnable:
                self.poll_one(0)
            elif self.timers:
                self.poll_one(max(0, self.timers[0][0] - time.monotonic()))
            else:
                self.poll_one(-1)
            while self.timers and self.timers[0][0] <= time.monotonic():
                self.runnable.append(heapq.heappop(self.timers)[2])
            round, self.runnable = self.runnable, []
            for task in round:
                try:
                    park = next(task)
                except SystemExit:
                    raise
                except BaseException:
                    self.alive -= 1
                else:
                    park(task)
            round = task = None
