# lacks turns and sleeps: raw epoll with EPOLLRDHUP; a receiver that is woken with it gets b'' without a further look at the socket.
# WRONG: raw epoll with EPOLLRDHUP; a receiver that is woken with it gets b'' without a further look at the socket.
# Breaks "who closes the sending half gets all that is owed" / "`b''` at the end of file": a client that is waited for,
# and that sends its request and closes its sending half at once, is taken for one that has said nothing.
import errno
import heapq
import select
import time

PAUSE = 0.125


class Op:
    """tried at each __next__; returns ("in" | "out", sock), a deadline (float), or None for a mere turn"""

    def __init__(self, attempt):
        self.attempt = attempt
        self.begun = False

    def __iter__(self):
        return self

    def __next__(self):
        if not self.begun:
            self.begun = True
            return None
        return self.attempt()


def done(value=None):
    raise StopIteration(value)


class Loop:
    def __init__(self):
        self.epoll = select.epoll(200)
        self.interest = {}      # fd -> [reader, writer]
        self.buckets = {}
        self.deadlines = []
        self.queue = []
        self.left = 0
        self.ended = set()

    def spawn(self, task):
        self.queue.append(task)
        self.left += 1

    def sleep(self, seconds):
        until = None

        def attempt():
            if until is None:
                return begin()
            if time.monotonic() >= until:
                done()
            return until

        def begin():
            nonlocal until
            until = start + seconds
            return attempt()

        start = None

        class Sleep(Op):
            def __next__(self):
                nonlocal start
                if start is None:
                    start = time.monotonic()
                return super().__next__()
        return Sleep(attempt)

    def accept(self, listening):
        def attempt():
            try:
                connection = listening.accept()[0]
            except OSError as e:
                if e.errno in (errno.EAGAIN, errno.EINTR):
                    return "in", listening
                return time.monotonic() + PAUSE
            done(connection)
        return Op(attempt)

    def recv(self, connection, size):
        def attempt():
            if connection.fileno() in self.ended:
                self.ended.discard(connection.fileno())
                done(b"")
            try:
                data = connection.recv(min(size, 1_000_000))
            except BlockingIOError:
                return "in", connection
            done(data)
        return Op(attempt)

    def send(self, connection, data):
        position = 0

        def attempt():
            nonlocal position
            if position < len(view):
                try:
                    position += connection.send(view[position:])
                except BlockingIOError:
                    return "out", connection
            if position < len(view):
                return None
            done()
        view = memoryview(data).cast("B")
        return Op(attempt)

    def arm(self, fd, slots):
        mask = select.EPOLLONESHOT
        if slots[0] is not None:
            mask |= select.EPOLLIN | select.EPOLLRDHUP
        if slots[1] is not None:
            mask |= select.EPOLLOUT
        try:
            self.epoll.modify(fd, mask)
        except FileNotFoundError:       # new, or closed and used again
            self.epoll.register(fd, mask)

    def advance(self, task):
        try:
            request = next(task)
        except SystemExit:
            raise
        except BaseException:
            self.left -= 1
            return
        if request is None:
            self.queue.append(task)
        elif isinstance(request, float):
            if request in self.buckets:
                self.buckets[request].append(task)
            else:
                self.buckets[request] = [task]
                heapq.heappush(self.deadlines, request)
        else:
            fd = request[1].fileno()
            slots = self.interest.setdefault(fd, [None, None])
            slots[request[0] == "out"] = task
            self.arm(fd, slots)

    def run(self):
        while self.left:
            timeout = -1
            if self.queue:
                timeout = 0
            elif self.deadlines:
                timeout = min(max(self.deadlines[0] - time.monotonic(), 0), 1000)
            for fd, event in self.epoll.poll(timeout):
                slots = self.interest[fd]
                if event & select.EPOLLRDHUP and not event & select.EPOLLERR:
                    self.ended.add(fd)
                trouble = event & (select.EPOLLHUP | select.EPOLLERR)
                for i, bit in enumerate((select.EPOLLIN, select.EPOLLOUT)):
                    if slots[i] is not None and (event & bit or trouble):
                        self.queue.append(slots[i])
                        slots[i] = None
                if slots == [None, None]:
                    del self.interest[fd]
                else:
                    self.arm(fd, slots)
            now = time.monotonic()
            while self.deadlines and self.deadlines[0] <= now:
                self.queue += self.buckets.pop(heapq.heappop(self.deadlines))
            batch, self.queue = self.queue, []
            for task in batch:
                self.advance(task)
