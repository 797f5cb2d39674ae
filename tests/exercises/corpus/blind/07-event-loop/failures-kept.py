# lacks tasks that raise: the exceptions of tasks that raised are kept for ever, with their frames and what those were sending
import select
import time
from collections import deque
from heapq import heappush, heappop


class Task:
    def __init__(self, generator):
        self.generator = generator
        self.failure = None

    def step(self):
        """what it waits for, or None at its end"""
        try:
            return self.generator.send(None)
        except StopIteration:
            return None
        except SystemExit:
            raise
        except BaseException as failure:
            self.failure = failure
            return None


class Loop:
    def __init__(self):
        self.ready = deque()
        self.sleeping = []
        self.serial = 0
        self.wants = {select.POLLIN: {}, select.POLLOUT: {}}
        self.poll = select.poll()
        self.alive = 0
        self.failed = []

    def spawn(self, generator):
        self.alive += 1
        self.ready.append(Task(generator))

    def sleep(self, seconds):
        yield 'sleep', time.monotonic() + seconds

    def accept(self, listening):
        yield 'turn', 0
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                yield select.POLLIN, listening.fileno()
            except OSError:
                yield 'sleep', time.monotonic() + 0.1
            else:
                return connection

    def recv(self, connection, size):
        yield 'turn', 0
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield select.POLLIN, connection.fileno()

    def send(self, connection, data):
        yield 'turn', 0
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                yield select.POLLOUT, connection.fileno()

    def watch(self, fd):
        mask = sum(event for event, tasks in self.wants.items() if fd in tasks)
        if mask:
            self.poll.register(fd, mask)
        else:
            self.poll.unregister(fd)

    def run(self):
        while self.alive:
            timeout = None
            if self.ready:
                timeout = 0
            elif self.sleeping:
                timeout = max(0, 1000 * (self.sleeping[0][0] - time.monotonic()))
            for fd, events in self.poll.poll(timeout):
                for event, tasks in self.wants.items():
                    if fd in tasks and events & ~(select.POLLIN | select.POLLOUT) | events & event:
                        if fd in tasks:
                            self.ready.append(tasks.pop(fd))
                self.watch(fd)
            while self.sleeping and self.sleeping[0][0] <= time.monotonic():
                self.ready.append(heappop(self.sleeping)[2])
            for _ in range(len(self.ready)):
                task = self.ready.popleft()
                request = task.step()
                if request is None:
                    self.alive -= 1
                    if task.failure is not None:
                        self.failed.append(task)
                    continue
                kind, what = request
                if kind == 'turn':
                    self.ready.append(task)
                elif kind == 'sleep':
                    self.serial += 1
                    heappush(self.sleeping, (what, self.serial, task))
                else:
                    self.wants[kind][what] = task
                    self.watch(what)
