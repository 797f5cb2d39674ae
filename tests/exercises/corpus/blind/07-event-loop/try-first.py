# right
"""Each call gives the others a turn, then tries, and waits only if it has to."""
import collections
import heapq
import select
import time


class _Task:
    """A generator, its number for the heap, and what it waits for."""
    made = 0

    def __init__(self, generator):
        _Task.made += 1
        self.number = _Task.made
        self.generator = generator

    def __lt__(self, other):
        return self.number < other.number


def _sock_of(sock):
    number = sock.fileno()
    if number < 0:
        raise OSError("the socket is closed")
    return number


class Loop:
    def __init__(self):
        self._turn = collections.deque()
        self._next = collections.deque()
        self._sleepers = []
        self._in = {}                               # socket -> deque of tasks
        self._out = {}

    def spawn(self, task):
        self._turn.append(_Task(task))

    def sleep(self, seconds):
        if seconds > 0:
            wake = time.monotonic() + seconds
            yield lambda me: heapq.heappush(self._sleepers, (wake, me))
        else:
            yield lambda me: self._next.append(me)

    def _until(self, table, sock):
        _sock_of(sock)
        yield lambda me: table.setdefault(sock, collections.deque()).append(me)

    def accept(self, listening):
        listening.setblocking(False)
        yield from self.sleep(0)
        while True:
            try:
                connection, _ = listening.accept()
                break
            except BlockingIOError:
                yield from self._until(self._in, listening)
            except OSError:
                yield from self.sleep(0)
        connection.setblocking(False)
        return connection

    def recv(self, connection, size):
        connection.setblocking(False)
        yield from self.sleep(0)
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield from self._until(self._in, connection)

    def send(self, connection, data):
        connection.setblocking(False)
        view = memoryview(data)
        while view:
            yield from self.sleep(0)
            try:
                view = view[connection.send(view[:1 << 16]):]
            except BlockingIOError:
                yield from self._until(self._out, connection)

    def _poll(self, timeout):
        poll = select.poll()
        masks, owners = {}, {}
        for table, bit in ((self._in, select.POLLIN), (self._out, select.POLLOUT)):
            for sock in list(table):
                number = sock.fileno()
                if number < 0:
                    self._turn.extend(table.pop(sock))
                    timeout = 0
                    continue
                masks[number] = masks.get(number, 0) | bit
                owners[number] = sock
        for number, mask in masks.items():
            poll.register(number, mask)
        for number, mask in poll.poll(timeout):
            sock = owners[number]
            if mask & ~select.POLLOUT and sock in self._in:
                self._turn.extend(self._in.pop(sock))
            if mask & ~select.POLLIN and sock in self._out:
                self._turn.extend(self._out.pop(sock))

    def run(self):
        while self._turn or self._next or self._sleepers or self._in or self._out:
            if self._turn or self._next:
                timeout = 0
            elif self._sleepers:
                seconds = min(self._sleepers[0][0] - time.monotonic(), 10_000)
                timeout = max(0, int(seconds * 1000) + 1)
            else:
                timeout = None
            self._poll(timeout)
            now = time.monotonic()
            while self._sleepers and self._sleepers[0][0] <= now:
                self._turn.append(heapq.heappop(self._sleepers)[1])
            self._turn.extend(self._next)
            self._next.clear()
            for _ in range(len(self._turn)):
                task = self._turn.popleft()
                try:
                    wish = next(task.generator)
                except StopIteration:
                    continue
                except SystemExit:
                    raise
                except BaseException:
                    continue
                wish(task)
