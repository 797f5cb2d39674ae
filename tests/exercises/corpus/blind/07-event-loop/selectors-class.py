# right
"""A loop for generators: one selector, one deque of those that may run, one heap of those that sleep."""
import heapq
import itertools
import selectors
import socket
import time
from collections import deque


class Loop:
    LONGEST = 3600.0            # a selector cannot wait for ever so long: wake up once an hour

    def __init__(self):
        self._ready = deque()
        self._later = []        # those that slept for 0 s: behind all others
        self._asleep = []       # (when, number, task)
        self._numbers = itertools.count()
        self._waiting = {}      # socket -> {event: deque of tasks}
        self._alive = 0
        self._selector = None

    # ---------------------------------------------------------------- tasks
    def spawn(self, task):
        self._alive += 1
        self._ready.append(task)

    def sleep(self, seconds):
        yield ("sleep", seconds)

    def accept(self, listening):
        listening.setblocking(False)
        while True:
            yield ("wait", listening, selectors.EVENT_READ)
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        while True:
            yield ("wait", connection, selectors.EVENT_READ)
            try:
                return connection.recv(size, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                pass

    def send(self, connection, data):
        view = memoryview(data).cast("B")
        while view:
            yield ("wait", connection, selectors.EVENT_WRITE)
            try:
                sent = connection.send(view[:1 << 18], socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                continue
            view = view[sent:]

    # ---------------------------------------------------------------- the loop
    def run(self):
        with selectors.DefaultSelector() as self._selector:
            while self._alive:
                self._poll()
                for _ in range(len(self._ready)):
                    self._step(self._ready.popleft())

    def _step(self, task):
        try:
            what, *arguments = task.send(None)
        except StopIteration:
            self._alive -= 1
        except SystemExit:
            raise
        except BaseException:
            self._alive -= 1
        else:
            if what == "sleep":
                self._fall_asleep(task, *arguments)
            else:
                self._wait(task, *arguments)

    def _fall_asleep(self, task, seconds):
        if seconds <= 0:
            self._later.append(task)
        else:
            heapq.heappush(self._asleep, (time.monotonic() + seconds, next(self._numbers), task))

    def _wait(self, task, sock, event):
        if sock.fileno() < 0:
            self._ready.append(task)        # closed: let the call itself raise
            return
        queues = self._waiting.setdefault(sock, {})
        queues.setdefault(event, deque()).append(task)
        self._register(sock)

    def _register(self, sock):
        queues = self._waiting[sock]
        mask = 0
        for event in queues:
            mask |= event
        fileno = sock.fileno()
        try:
            key = self._selector.get_key(fileno)
        except KeyError:
            key = None
        if key is not None and key.data is not sock:    # its number belonged to one that is closed
            self._selector.unregister(fileno)
            key = None
        if not mask:
            del self._waiting[sock]
            if key is not None:
                self._selector.unregister(fileno)
        elif key is None:
            self._selector.register(fileno, mask, sock)
        elif key.events != mask:
            self._selector.modify(fileno, mask, sock)

    def _poll(self):
        gone = [sock for sock in self._waiting if sock.fileno() < 0]
        for sock in gone:
            for tasks in self._waiting.pop(sock).values():
                self._ready.extend(tasks)
        if self._ready or self._later:
            timeout = 0
        elif self._asleep:
            timeout = min(max(self._asleep[0][0] - time.monotonic(), 0), self.LONGEST)
        else:
            timeout = None
        for key, mask in self._selector.select(timeout):
            sock = key.data
            queues = self._waiting.get(sock)
            if queues is None:
                self._selector.unregister(key.fd)
                continue
            for event in (selectors.EVENT_READ, selectors.EVENT_WRITE):
                if mask & event and event in queues:
                    self._ready.append(queues[event].popleft())
                    if not queues[event]:
                        del queues[event]
            self._register(sock)
        now = time.monotonic()
        while self._asleep and self._asleep[0][0] <= now:
            self._ready.append(heapq.heappop(self._asleep)[2])
        self._ready.extend(self._later)
        self._later.clear()
