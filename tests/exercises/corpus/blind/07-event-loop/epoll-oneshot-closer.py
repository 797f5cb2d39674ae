# right
# One-shot epoll registrations that are never removed (the kernel forgets closed files by
# itself); and the tasks that are left over are closed at the end, whatever they do then.
import select
from heapq import heappush, heappop
from time import monotonic

IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Loop(object):
    def __init__(self):
        self.queue, self.beds, self.at, self.serial = [], [], {}, 0
        self.epoll = select.epoll()
        self.alive = {}

    def spawn(self, task):
        self.alive[id(task)] = task
        self.queue.append(task)

    def sleep(self, seconds):
        yield monotonic() + seconds

    def accept(self, listening):
        yield
        while 1:
            try:
                return listening.accept()[0]
            except BlockingIOError:
                yield listening, IN
            except OSError:
                yield          # no rest at all, only a turn

    def recv(self, connection, size):
        yield
        room = None
        while 1:
            try:
                if room is None:
                    return connection.recv(min(size, 65536))
                count = connection.recv_into(room)
                return bytes(room[:count])
            except BlockingIOError:
                room = room or bytearray(min(size, 32768))
                yield connection, IN

    def send(self, connection, data):
        yield
        view, done = memoryview(data).cast('B') if len(data) else b'', 0
        while done < len(view):
            try:
                done += connection.send(view[done:])
            except BlockingIOError:
                yield connection, OUT

    def _arm(self, fd):
        r, w = self.at[fd]
        if r is None and w is None:
            del self.at[fd]
            return
        mask = (IN if r is not None else 0) | (OUT if w is not None else 0) | select.EPOLLONESHOT
        try:
            self.epoll.modify(fd, mask)
        except FileNotFoundError:
            self.epoll.register(fd, mask)

    def run(self):
        try:
            self._run()
        except SystemExit as first:
            for task in list(self.alive.values()):
                try:
                    task.close()
                except BaseException:
                    pass
            raise first

    def _run(self):
        while self.alive:
            wait = -1
            if self.queue:
                wait = 0
            elif self.beds:
                wait = max(0, self.beds[0][0] - monotonic())
            for fd, mask in self.epoll.poll(wait):
                pair = self.at.get(fd)
                if pair is None:
                    continue
                if pair[0] is not None and mask & ~OUT:
                    self.queue.append(pair[0])
                    pair[0] = None
                if pair[1] is not None and mask & ~IN:
                    self.queue.append(pair[1])
                    pair[1] = None
                self._arm(fd)
            now = monotonic()
            while self.beds and self.beds[0][0] <= now:
                self.queue.append(heappop(self.beds)[-1])
            turn, self.queue = self.queue, []
            for task in turn:
                try:
                    wish = next(task)
                except SystemExit:
                    raise
                except BaseException:
                    del self.alive[id(task)]
                    continue
                if wish is None:
                    self.queue.append(task)
                elif type(wish) is tuple:
                    fd = wish[0].fileno()
                    self.at.setdefault(fd, [None, None])[wish[1] == OUT] = task
                    self._arm(fd)
                else:
                    self.serial += 1
                    heappush(self.beds, (wish, self.serial, task))
