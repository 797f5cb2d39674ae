# right
"""An over-engineered event loop: reactor, timer service, scheduler, commands.
SystemExit leaves run() in a group within a group."""
import abc
import collections
import dataclasses
import enum
import heapq
import itertools
import selectors
import time
import typing


class Interest(enum.IntFlag):
    READ = selectors.EVENT_READ
    WRITE = selectors.EVENT_WRITE


class Command(abc.ABC):
    @abc.abstractmethod
    def execute(self, kernel: "Kernel", task: typing.Generator) -> None: ...


class Yield(Command):
    def execute(self, kernel, task):
        kernel.scheduler.enqueue(task)


@dataclasses.dataclass(frozen=True)
class Until(Command):
    due: float

    def execute(self, kernel, task):
        kernel.timers.add(self.due, task)


@dataclasses.dataclass(frozen=True)
class Await(Command):
    sock: typing.Any
    interest: Interest

    def execute(self, kernel, task):
        kernel.reactor.add(self.sock.fileno(), self.interest, task)


class Scheduler:
    def __init__(self):
        self._queue = collections.deque()

    def enqueue(self, task):
        self._queue.append(task)

    def round(self):
        for _ in range(len(self._queue)):
            yield self._queue.popleft()

    def __bool__(self):
        return bool(self._queue)


class TimerService:
    @dataclasses.dataclass(order=True)
    class Entry:
        due: float
        number: int
        task: typing.Any = dataclasses.field(compare=False)

    def __init__(self):
        self._heap, self._numbers = [], itertools.count()

    def add(self, due, task):
        heapq.heappush(self._heap, self.Entry(due, next(self._numbers), task))

    def patience(self):
        return max(self._heap[0].due - time.monotonic(), 0) if self._heap else None

    def expired(self):
        now = time.monotonic()
        while self._heap and self._heap[0].due <= now:
            yield heapq.heappop(self._heap).task

    def __bool__(self):
        return bool(self._heap)


class Reactor:
    def __init__(self):
        self._selector = selectors.DefaultSelector()

    def __bool__(self):
        return bool(self._selector.get_map())

    def add(self, fd, interest, task):
        try:
            old = dict(self._selector.get_key(fd).data)
        except KeyError:
            self._selector.register(fd, interest, {interest: task})
        else:
            old[interest] = task
            self._selector.modify(fd, Interest.READ | Interest.WRITE, old)

    def poll(self, patience):
        for key, mask in self._selector.select(patience):
            left = {interest: task for interest, task in key.data.items() if not interest & mask}
            if left:
                self._selector.modify(key.fd, *left, left)
            else:
                self._selector.unregister(key.fd)
            yield from (task for interest, task in key.data.items() if interest & mask)


class Kernel:
    def __init__(self):
        self.scheduler, self.timers, self.reactor = Scheduler(), TimerService(), Reactor()

    def loop(self):
        while self.scheduler or self.timers or self.reactor:
            for task in self.reactor.poll(0 if self.scheduler else self.timers.patience()):
                self.scheduler.enqueue(task)
            for task in self.timers.expired():
                self.scheduler.enqueue(task)
            for task in self.scheduler.round():
                self.step(task)

    def step(self, task):
        try:
            command = next(task)
        except SystemExit as exit:
            inner = BaseExceptionGroup("a task asked for the end", [exit])
            raise BaseExceptionGroup("the kernel stopped", [inner]) from None
        except BaseException:
            return
        command.execute(self, task)


class Loop:
    def __init__(self):
        self._kernel = Kernel()

    def spawn(self, task):
        self._kernel.scheduler.enqueue(task)

    def run(self):
        self._kernel.loop()

    def sleep(self, seconds):
        return (Until(due) for due in (time.monotonic() + seconds,))   # counts from the call

    def _again(self, operation, sock, interest):
        yield Yield()
        while True:
            try:
                return operation()
            except BlockingIOError:
                yield Await(sock, interest)

    def accept(self, listening):
        while True:
            try:
                return (yield from self._again(listening.accept, listening, Interest.READ))[0]
            except OSError:
                yield Until(time.monotonic() + 0.1)

    def recv(self, connection, size):
        return self._again(lambda: connection.recv(min(size, 32768)), connection, Interest.READ)

    def send(self, connection, data):
        view = memoryview(data)

        def push():
            nonlocal view
            while view:
                view = view[connection.send(view):]
        return self._again(push, connection, Interest.WRITE)
