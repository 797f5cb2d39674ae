# lacks recv's size: a socket is registered for one task only, so where one task receives and another one sends on it the second takes the first one's place, which then is never woken; breaks "recv(connection, size) returns ... as soon as there are any" and "run() returns when every task has ended".
import heapq
import selectors
import time


class Loop:
    """The selector's data is the task that waits."""

    def __init__(self):
        self.ready = []
        self.last = []
        self.heap = []
        self.serial = 0
        self.live = 0
        self.selector = selectors.DefaultSelector()

    def spawn(self, task):
        self.live += 1
        self.ready.append(task)

    def sleep(self, seconds):
        yield None, seconds

    def accept(self, listening):
        listening.setblocking(False)
        while True:
            yield listening, selectors.EVENT_READ
            try:
                connection = listening.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        connection.setblocking(False)
        while True:
            yield connection, selectors.EVENT_READ
            try:
                return connection.recv(size)
            except BlockingIOError:
                continue

    def send(self, connection, data):
        connection.setblocking(False)
        view = memoryview(data)
        while view:
            yield connection, selectors.EVENT_WRITE
            try:
                view = view[connection.send(view[:65536]):]
            except BlockingIOError:
                continue

    def handle(self, task, sock, argument):
        if sock is None:
            if argument <= 0:
                self.last.append(task)
            else:
                self.serial += 1
                heapq.heappush(self.heap, (time.monotonic() + argument, self.serial, task))
        elif sock.fileno() < 0:
            self.ready.append(task)
        else:
            try:
                self.selector.register(sock, argument, task)
            except KeyError:                    # already registered
                self.selector.modify(sock, argument, task)

    def run(self):
        while self.live:
            timeout = None
            if self.ready or self.last:
                timeout = 0
            elif self.heap:
                timeout = min(max(self.heap[0][0] - time.monotonic(), 0), 5000)
            for key, _ in self.selector.select(timeout):
                self.selector.unregister(key.fileobj)
                self.ready.append(key.data)
            now = time.monotonic()
            while self.heap and self.heap[0][0] <= now:
                self.ready.append(heapq.heappop(self.heap)[2])
            turn, self.ready, self.last = self.ready + self.last, [], []
            for task in turn:
                try:
                    wish = next(task)
                except StopIteration:
                    self.live -= 1
                except SystemExit:
                    raise
                except BaseException:
                    self.live -= 1
                else:
                    self.handle(task, *wish)
