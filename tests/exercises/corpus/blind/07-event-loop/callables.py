# right
# A task yields a function; the loop calls it with the task and has no cases of its own.
import selectors as _selectors
import time as _time
import heapq as _heapq

_clock = _time.monotonic


class _Waiters:
    """Who waits for one socket."""
    __slots__ = ("sock", "fd", "lists")

    def __init__(self, sock):
        self.sock = sock
        self.fd = sock.fileno()
        self.lists = {_selectors.EVENT_READ: [], _selectors.EVENT_WRITE: []}

    @property
    def mask(self):
        return sum(event for event, tasks in self.lists.items() if tasks)


class Loop(object):

    def __init__(self):
        self.now, self.soon, self.heap, self.number, self.live = [], [], [], 0, 0
        self.waiters = {}           # fd -> _Waiters
        self.selector = _selectors.EpollSelector()

    def spawn(self, task):
        self.live += 1
        self.now.append(task)

    # -- requests
    def sleep(self, seconds):
        when = _clock() + seconds
        if seconds <= 0:
            yield self.soon.append
        else:
            def request(task):
                self.number += 1
                _heapq.heappush(self.heap, (when, self.number, task))
            yield request

    def _ready(self, sock, event):
        def request(task):
            fd = sock.fileno()
            if fd < 0:
                self.now.append(task)
                return
            waiters = self.waiters.get(fd)
            if waiters is not None and waiters.sock is not sock:
                self._drop(waiters)
                waiters = None
            if waiters is None:
                waiters = self.waiters[fd] = _Waiters(sock)
                waiters.lists[event].append(task)
                self.selector.register(fd, event, waiters)
            else:
                waiters.lists[event].append(task)
                self.selector.modify(fd, waiters.mask, waiters)
        yield request

    def _drop(self, waiters):
        self.waiters.pop(waiters.fd, None)
        self.selector.unregister(waiters.fd)
        for tasks in waiters.lists.values():
            self.now.extend(tasks)

    def accept(self, listening):
        listening.setblocking(False)
        while 1:
            yield from self._ready(listening, _selectors.EVENT_READ)
            try:
                connection, address = listening.accept()
            except OSError:
                pass
            else:
                connection.setblocking(False)
                return connection

    def recv(self, connection, size):
        connection.setblocking(False)
        while 1:
            yield from self._ready(connection, _selectors.EVENT_READ)
            try:
                return connection.recv(size)
            except BlockingIOError:
                pass

    def send(self, connection, data):
        connection.setblocking(False)
        rest = memoryview(data)
        while len(rest):
            yield from self._ready(connection, _selectors.EVENT_WRITE)
            try:
                rest = rest[connection.send(rest[:65536]):]
            except BlockingIOError:
                pass

    # -- the loop
    def run(self):
        while self.live:                # the selector is kept: run() may be called again
            for waiters in [w for w in self.waiters.values() if w.sock.fileno() != w.fd]:
                self._drop(waiters)
            self._wait()
            turn, self.now = self.now, []
            for task in turn:
                self._resume(task)

    def _resume(self, task):
        try:
            request = next(task)
        except SystemExit:
            self.selector.close()
            raise
        except StopIteration:
            self.live -= 1
        except:                         # noqa: E722  whatever it was
            self.live -= 1
        else:
            request(task)

    def _wait(self):
        timeout = None
        if self.heap:
            timeout = min(max(0, self.heap[0][0] - _clock()), 600)
        if self.now or self.soon:
            timeout = 0
        for key, mask in self.selector.select(timeout):
            waiters = key.data
            for event, tasks in waiters.lists.items():
                if event & mask:
                    self.now.extend(tasks)
                    tasks.clear()
            if waiters.mask:
                self.selector.modify(key.fd, waiters.mask, waiters)
            else:
                del self.waiters[key.fd]
                self.selector.unregister(key.fd)
        now = _clock()
        while self.heap and self.heap[0][0] <= now:
            self.now.append(_heapq.heappop(self.heap)[-1])
        self.now += self.soon
        self.soon = []
