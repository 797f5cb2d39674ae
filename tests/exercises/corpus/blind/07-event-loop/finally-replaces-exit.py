# lacks a clean end: poll; closes the other tasks after a SystemExit, and lets what their `finally` raises through unless it is an Exception.
# WRONG: poll; closes the other tasks after a SystemExit, and lets what their `finally` raises through unless it is an Exception.
# Breaks "If you do, they may ... raise ... in their `finally`, and `run()` raises the first SystemExit all the same":
# a task whose finally raises SystemExit(5) or KeyboardInterrupt replaces Stopped, the caller of run() gets the second.
import bisect
import math
import select
import time


class Request:
    """An iterable (not an iterator): may be made long before, or by somebody else."""

    def __init__(self, loop, kind, *args):
        self.loop, self.kind, self.args = loop, kind, args

    def __iter__(self):
        return getattr(self, "do_" + self.kind)(*self.args)

    def do_sleep(self, seconds):
        until = time.monotonic_ns() + math.ceil(seconds * 1_000_000_000)
        yield ("until", until)

    def do_accept(self, listening):
        while True:
            yield ("fd", listening.fileno(), select.POLLIN)
            try:
                return listening.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError:
                yield ("until", time.monotonic_ns() + 150_000_000)

    def do_recv(self, connection, size):
        while True:
            fd = connection.fileno()
            if fd < 0:
                raise ValueError("recv on a closed connection")
            yield ("fd", fd, select.POLLIN)
            try:
                return connection.recv(min(size, 65536))
            except BlockingIOError:
                pass

    def do_send(self, connection, data):
        if not len(data):
            return
        with memoryview(data) as whole, whole.cast("B") as view:
            at = 0
            while at < len(view):
                fd = connection.fileno()
                if fd < 0:
                    raise ValueError("send on a closed connection")
                yield ("fd", fd, select.POLLOUT)
                try:
                    at += connection.send(view[at:at + 131072])
                except BlockingIOError:
                    pass


class Loop:
    def __init__(self):
        self.new = []
        self.sleepers = []      # (ns, number, task), sorted downwards: the next one is the last
        self.waiting = {}       # fd -> {bit: task}
        self.poller = select.poll()
        self.count = 0

    def spawn(self, task):
        self.new.append(task)

    def sleep(self, seconds):
        return Request(self, "sleep", seconds)

    def accept(self, listening):
        return Request(self, "accept", listening)

    def recv(self, connection, size):
        return Request(self, "recv", connection, size)

    def send(self, connection, data):
        return Request(self, "send", connection, data)

    def run(self):
        current = None
        try:
            while self.new or self.sleepers or self.waiting:
                batch, self.new = self.new, []
                for current in batch + self.look(0 if batch else self.timeout()):
                    self.advance(current)
        except SystemExit:
            self.abandon()
            raise

    def timeout(self):
        if not self.sleepers:
            return None
        ns = self.sleepers[-1][0] - time.monotonic_ns()
        return min(max(0, -(-ns // 1_000_000)), 10_000_000)

    def look(self, timeout):
        found = []
        for fd, event in self.poller.poll(timeout):
            slots = self.waiting[fd]
            bad = event & (select.POLLERR | select.POLLHUP | select.POLLNVAL)
            for bit in list(slots):
                if event & bit or bad:
                    found.append(slots.pop(bit))
            self.arm(fd, slots)
        now = time.monotonic_ns()
        while self.sleepers and self.sleepers[-1][0] <= now:
            found.append(self.sleepers.pop()[2])
        return found

    def arm(self, fd, slots):
        if slots:
            mask = 0
            for bit in slots:
                mask |= bit
            self.poller.register(fd, mask)
        else:
            del self.waiting[fd]
            self.poller.unregister(fd)

    def advance(self, task):
        try:
            kind, *rest = task.send(None)
        except SystemExit:
            raise
        except BaseException:
            return
        if kind == "until":
            self.count += 1
            bisect.insort(self.sleepers, (rest[0], -self.count, task), key=lambda entry: (-entry[0], -entry[1]))
        else:
            fd, bit = rest
            slots = self.waiting.setdefault(fd, {})
            slots[bit] = task
            self.arm(fd, slots)

    def abandon(self):
        tasks = self.new + [entry[2] for entry in self.sleepers]
        for slots in self.waiting.values():
            tasks.extend(slots.values())
        for task in tasks:
            try:
                task.close()
            except Exception:
                pass
