# lacks tasks that raise: `repr` of an exception is traced, and where `__repr__` raises, that leaves run()
"""Everything that is due is in one heap, by time: what may run at once is due at the turn's own time."""
import heapq, select, socket, sys
from itertools import count
from time import perf_counter

READ, WRITE = "r", "w"


def trace(*what):
    if False:                                   # set to True to see what happens
        print(*what, file=sys.stderr)


class Loop:

    def __init__(self):
        self.heap = []                          # (time, number, task)
        self.next_number = count().__next__
        self.waits = {READ: {}, WRITE: {}}      # fd -> [(socket, task)]
        self.events = select.epoll()
        self.masks = {}

    def due(self, task, when=0.0):
        heapq.heappush(self.heap, (when, self.next_number(), task))

    def spawn(self, task):
        self.due(task)

    def sleep(self, seconds):
        yield perf_counter() + max(seconds, 0.0)

    def accept(self, listening):
        listening.setblocking(False)
        while True:
            yield READ, listening
            try:
                connection, address = listening.accept()
            except OSError:
                continue
            trace("accepted", address)
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        while True:
            yield READ, connection
            try:
                return connection.recv(size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass

    def send(self, connection, data):
        data = memoryview(data)
        while data.nbytes:
            yield WRITE, connection
            try:
                n = connection.send(data[:100_000], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                n = 0
            data = data[n:]

    def watch(self, fd):
        new = (select.EPOLLIN if self.waits[READ].get(fd) else 0) | (select.EPOLLOUT if self.waits[WRITE].get(fd) else 0)
        old = self.masks.pop(fd, 0)
        try:
            if old:
                self.events.unregister(fd)
        except OSError:
            pass
        if new:
            self.events.register(fd, new)
            self.masks[fd] = new

    def closed_ones(self):
        for table in self.waits.values():
            for fd, pairs in list(table.items()):
                for pair in list(pairs):
                    if pair[0].fileno() != fd:
                        pairs.remove(pair)
                        self.due(pair[1])
                        if not pairs:
                            del table[fd]
                        self.watch(fd)

    def run(self):
        while self.heap or self.waits[READ] or self.waits[WRITE]:
            self.closed_ones()
            if self.heap:
                timeout = min(max(self.heap[0][0] - perf_counter(), 0), 86400)
            else:
                timeout = None
            turn = []
            for fd, mask in self.events.poll(timeout):
                for name, bit in (READ, select.EPOLLIN), (WRITE, select.EPOLLOUT):
                    if mask & (bit | select.EPOLLHUP | select.EPOLLERR) and fd in self.waits[name]:
                        turn += [task for _, task in self.waits[name].pop(fd)]
                self.watch(fd)
            moment = perf_counter()
            while self.heap and self.heap[0][0] <= moment:
                turn.append(heapq.heappop(self.heap)[2])
            for task in turn:
                self.step(task)

    def step(self, task):
        try:
            wish = next(task)
        except StopIteration:
            return
        except SystemExit:
            self.events.close()
            raise
        except BaseException as e:
            trace("a task ended:", repr(e))
            return
        if isinstance(wish, float):
            self.due(task, wish)
        else:
            name, sock = wish
            fd = sock.fileno()
            if fd < 0:
                self.due(task)
            else:
                self.waits[name].setdefault(fd, []).append((sock, task))
                self.watch(fd)
