# right
# Looks at sockets and clock in every fourth round only, as a task may wait for ten calls of
# another; four heart beats a second while idle; recv gives what it likes, from one byte on.
import random
import select
import time

LAZY = 4
BEAT = 0.25


class Loop:
    def __init__(self):
        self.runnable = []
        self.asleep = []
        self.wanted = {}

    def spawn(self, task):
        self.runnable.append(task)

    def sleep(self, seconds):
        yield
        end = time.monotonic() + seconds
        if seconds:
            yield end

    def accept(self, listening):
        yield
        while True:
            try:
                return listening.accept()[0]
            except BlockingIOError:
                yield listening.fileno(), select.EPOLLIN
            except OSError:
                yield

    def recv(self, connection, size):
        most = min(size, random.randint(4000, 40000))
        try:
            data = connection.recv(most)
        except BlockingIOError:
            data = None
        yield                                   # what came waits while the others have a turn
        while data is None:
            try:
                data = connection.recv(most)
            except BlockingIOError:
                yield connection.fileno(), select.EPOLLIN
        return data

    def send(self, connection, data):
        at = 0
        with memoryview(data) as view:
            while at < len(view):
                with view[at:at + 200_000] as part:
                    try:
                        at += connection.send(part)
                        wish = None
                    except BlockingIOError:
                        wish = connection.fileno(), select.EPOLLOUT
                yield wish

    def look(self, epoll, wait):
        for fd, mask in epoll.poll(wait):
            if mask & (select.EPOLLERR | select.EPOLLHUP):
                mask |= select.EPOLLIN | select.EPOLLOUT
            tasks = self.wanted[fd]
            for way in (select.EPOLLIN, select.EPOLLOUT):
                if mask & way and way in tasks:
                    self.runnable.append(tasks.pop(way))
            if tasks:
                epoll.modify(fd, sum(tasks))
            else:
                del self.wanted[fd]
                epoll.unregister(fd)
        now = time.monotonic()
        self.runnable += [task for end, task in self.asleep if end <= now]
        self.asleep = [pair for pair in self.asleep if pair[0] > now]

    def run(self):
        with select.epoll() as epoll:
            rounds = 0
            while self.runnable or self.asleep or self.wanted:
                if not self.runnable:
                    wait = min([BEAT] + [end - time.monotonic() for end, _ in self.asleep])
                    self.look(epoll, max(wait, 0))
                elif rounds % LAZY == 0:
                    self.look(epoll, 0)
                rounds += 1
                tasks, self.runnable = self.runnable, []
                for task in tasks:
                    try:
                        wish = next(task)
                    except SystemExit:
                        self.left = tasks
                        raise
                    except BaseException:
                        continue
                    if wish is None:
                        self.runnable.append(task)
                    elif isinstance(wish, float):
                        self.asleep.append((wish, task))
                    else:
                        fd, way = wish
                        there = self.wanted.setdefault(fd, {})
                        there[way] = task
                        if len(there) == 1:
                            epoll.register(fd, way)
                        else:
                            epoll.modify(fd, sum(there))
