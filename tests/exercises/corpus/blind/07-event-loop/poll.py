# right
import errno
import math
import select
import time


class Loop:
    """No registrations that last: a poll object is built for each wait."""

    def __init__(self):
        self.tasks = []        # [task, state, detail]: one list, in turn

    def spawn(self, task):
        self.tasks.append([task, "go", None])

    def run(self):
        while self.tasks:
            poll, masks, soonest = select.poll(), {}, math.inf
            for entry in self.tasks:
                _, state, detail = entry
                if state == "go":
                    soonest = 0
                elif state == "until":
                    soonest = min(soonest, detail - time.monotonic())
                else:
                    fd = detail.fileno()
                    if fd < 0:
                        entry[1], soonest = "go", 0     # it finds out itself
                    else:
                        masks[fd] = masks.get(fd, 0) | (
                            select.POLLIN if state == "read" else select.POLLOUT)
            for fd, mask in masks.items():
                poll.register(fd, mask)
            timeout = None
            if soonest < math.inf:
                timeout = min(math.ceil(max(soonest, 0) * 1000), 3_600_000)
            found = dict(poll.poll(timeout))
            now = time.monotonic()
            first, last = [], []
            for entry in self.tasks:
                _, state, detail = entry
                if state == "go":
                    last.append(entry)
                elif state == "until":
                    if detail <= now:
                        first.append(entry)
                else:
                    bits = found.get(detail.fileno(), 0)
                    other = select.POLLOUT if state == "read" else select.POLLIN
                    if bits & ~other:
                        first.append(entry)
            for entry in first + last:
                try:
                    entry[1], entry[2] = next(entry[0])
                except BaseException as error:
                    self.tasks = [one for one in self.tasks if one is not entry]
                    if isinstance(error, SystemExit):
                        raise

    def sleep(self, seconds):
        if seconds > 0:
            yield "until", time.monotonic() + seconds
        else:
            yield "go", None

    def accept(self, listening):
        listening.setblocking(False)
        yield "go", None
        while True:
            try:
                connection, address = listening.accept()
            except BlockingIOError:
                yield "read", listening
            except OSError:
                yield "go", None
            else:
                connection.setblocking(False)
                return connection

    def recv(self, connection, size):
        yield "go", None
        connection.setblocking(False)
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield "read", connection

    def send(self, connection, data):
        yield "go", None
        connection.setblocking(False)
        data = memoryview(data).cast("B")
        while data:
            try:
                data = data[connection.send(data):]
            except BlockingIOError:
                yield "write", connection
            else:
                yield "go", None
