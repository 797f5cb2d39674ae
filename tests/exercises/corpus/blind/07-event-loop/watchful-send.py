# lacks idle while it owes: idle while it owes: a send that waits asks for EPOLLIN too, so it spins when its client has sent more requests and does not read
import select
import time
from heapq import heappop, heappush

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HURT = select.EPOLLERR | select.EPOLLHUP


class Loop:
    def __init__(self):
        self.ready, self.sleepers, self.number = [], [], 0
        self.readers, self.writers, self.masks = {}, {}, {}
        self.epoll = select.epoll()

    def spawn(self, task):
        self.ready.append(task)

    def sleep(self, seconds):
        yield self._go_to_bed, time.monotonic() + seconds

    def accept(self, listening):
        yield self._again,
        while True:
            try:
                connection, address = listening.accept()
                return connection
            except BlockingIOError:
                yield self._await, self.readers, listening
            except OSError:
                yield self._go_to_bed, time.monotonic() + 0.02

    def recv(self, connection, size):
        yield self._again,
        while True:
            try:
                return connection.recv(min(size, 65536))
            except BlockingIOError:
                yield self._await, self.readers, connection

    def send(self, connection, data):
        yield self._again,
        view = memoryview(data)
        while len(view):
            try:
                view = view[connection.send(view):]
            except BlockingIOError:
                yield self._await, self.writers, connection

    def _again(self, task):
        self.ready.append(task)

    def _go_to_bed(self, task, due):
        self.number += 1
        heappush(self.sleepers, (due, self.number, task))

    def _await(self, task, where, sock):
        where[sock.fileno()] = task
        self._ask(sock.fileno())

    def _ask(self, fd):
        mask = READ if fd in self.readers else 0
        if fd in self.writers:
            mask |= WRITE | READ        # READ, so that we hear of it when the client leaves
        old = self.masks.pop(fd, 0)
        if mask:
            self.masks[fd] = mask
            (self.epoll.modify if old else self.epoll.register)(fd, mask)
        elif old:
            self.epoll.unregister(fd)

    def run(self):
        while self.ready or self.sleepers or self.masks:
            wait = None
            if self.ready:
                wait = 0
            elif self.sleepers:
                wait = max(0, self.sleepers[0][0] - time.monotonic())
            for fd, mask in self.epoll.poll(wait):
                if mask & (READ | HURT) and fd in self.readers:
                    self.ready.append(self.readers.pop(fd))
                if mask & (WRITE | HURT) and fd in self.writers:
                    self.ready.append(self.writers.pop(fd))
                self._ask(fd)
            while self.sleepers and self.sleepers[0][0] <= time.monotonic():
                self.ready.append(heappop(self.sleepers)[2])
            tasks, self.ready = self.ready, []
            for task in tasks:
                try:
                    call, *arguments = next(task)
                except SystemExit:
                    raise
                except BaseException:
                    continue
                call(task, *arguments)
