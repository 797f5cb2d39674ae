# lacks tasks that raise: str() of an exception is kept, and where __str__ raises, that leaves run()
import select
import time
from collections import deque
from itertools import count
from heapq import heappush, heappop


class Loop:
    def __init__(self):
        self.ready = deque()
        self.heap = []
        self.ids = count()
        self.readers = {}
        self.writers = {}
        self.alive = 0
        self.last_words = deque(maxlen=20)      # for whoever debugs this

    def spawn(self, task):
        self.alive += 1
        self.ready.append(task)

    def sleep(self, seconds):
        yield 'sleep', time.monotonic() + seconds

    def accept(self, listening):
        yield 'turn', None
        while True:
            try:
                connection, _ = listening.accept()
                return connection
            except (BlockingIOError, InterruptedError):
                yield 'read', listening
            except OSError as e:
                self.last_words.append(f'accept: {e}')
                yield 'sleep', time.monotonic() + 0.1

    def recv(self, connection, size):
        yield 'turn', None
        while True:
            try:
                return connection.recv(size)
            except (BlockingIOError, InterruptedError):
                yield 'read', connection

    def send(self, connection, data):
        yield 'turn', None
        view = memoryview(data)
        while len(view) > 0:
            try:
                view = view[connection.send(view):]
            except (BlockingIOError, InterruptedError):
                yield 'write', connection

    def step(self, task):
        try:
            what, argument = task.send(None)
        except StopIteration:
            self.alive -= 1
        except SystemExit:
            raise
        except BaseException as e:
            self.alive -= 1
            self.last_words.append(f'{type(e).__name__}: {e}')
        else:
            if what == 'turn':
                self.ready.append(task)
            elif what == 'sleep':
                heappush(self.heap, (argument, next(self.ids), task))
            elif what == 'read':
                self.readers[argument.fileno()] = task
            else:
                self.writers[argument.fileno()] = task

    def run(self):
        while self.alive:
            timeout = None
            if self.ready:
                timeout = 0
            elif self.heap:
                timeout = max(0, self.heap[0][0] - time.monotonic())
            r, w, _ = select.select([*self.readers], [*self.writers], [], timeout)
            self.ready.extend([self.readers.pop(fd) for fd in r])
            self.ready.extend([self.writers.pop(fd) for fd in w])
            now = time.monotonic()
            while self.heap and self.heap[0][0] <= now:
                self.ready.append(heappop(self.heap)[2])
            for _ in range(len(self.ready)):
                self.step(self.ready.popleft())
