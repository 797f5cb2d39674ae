# lacks turns and sleeps: none waits for more than ten calls of another: 16 clients that always ask starve those with higher descriptors for ever
import bisect
import select
import time


class Loop:
    """Every call first waits until the socket is ready, in one and the same place."""

    def __init__(self):
        self.going, self.sleeping, self.reading, self.writing = [], [], {}, {}

    def spawn(self, task):
        self.going.append(task)

    def sleep(self, seconds):
        yield "sleep", time.monotonic() + seconds

    def accept(self, listening):
        while True:
            yield "read", listening.fileno()
            try:
                return listening.accept()[0]
            except BlockingIOError:
                pass
            except OSError:
                yield "sleep", time.monotonic() + 0.03

    def recv(self, connection, size):
        while True:
            yield "read", self._fd(connection)
            try:
                return connection.recv(min(size, 65536))
            except BlockingIOError:
                pass

    def send(self, connection, data):
        view = memoryview(data)
        while view:
            yield "write", self._fd(connection)
            try:
                while view:
                    view = view[connection.send(view):]
            except BlockingIOError:
                pass

    def _fd(self, connection):
        fd = connection.fileno()
        if fd < 0:
            raise OSError("the connection is closed")
        return fd

    def run(self):
        while self.going or self.sleeping or self.reading or self.writing:
            poll = select.poll()
            for fd in self.reading.keys() | self.writing.keys():
                poll.register(fd, select.POLLIN * (fd in self.reading) | select.POLLOUT * (fd in self.writing))
            wait = None
            if self.going:
                wait = 0
            elif self.sleeping:
                wait = max(0, self.sleeping[0][0] - time.monotonic()) * 1000
            # a few at a time, so that a round stays short and sleeps end in time
            for fd, mask in sorted(poll.poll(wait))[:16]:
                if mask & ~select.POLLOUT and fd in self.reading:
                    self.going.append(self.reading.pop(fd))
                if mask & ~select.POLLIN and fd in self.writing:
                    self.going.append(self.writing.pop(fd))
            while self.sleeping and self.sleeping[0][0] <= time.monotonic():
                self.going.append(self.sleeping.pop(0)[2])
            now, self.going = self.going, []
            for task in now:
                try:
                    what, which = next(task)
                except SystemExit:
                    raise
                except BaseException:
                    continue
                if what == "sleep":
                    bisect.insort(self.sleeping, (which, id(task), task))
                else:
                    (self.reading if what == "read" else self.writing)[which] = task
