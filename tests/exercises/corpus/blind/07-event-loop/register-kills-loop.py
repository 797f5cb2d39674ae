# lacks tasks that raise: recv or send on a connection that is closed already makes the selector raise ValueError in run(), outside of every task, so all end; breaks "Both raise an OSError in the task that asked" and "A task that raises ends alone".
import heapq
import selectors
import time


class Loop:
    """The selector's data is the list of tasks that wait."""

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
        while True:
            yield connection, selectors.EVENT_READ
            try:
                return connection.recv(size)
            except BlockingIOError:
                continue

    def send(self, connection, data):
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
        else:
            try:
                key = self.selector.get_key(sock)
            except KeyError:
                self.selector.register(sock, argument, [(argument, task)])
            else:
                key.data.append((argument, task))
                self.selector.modify(sock, key.events | argument, key.data)

    def run(self):
        while self.live:
            timeout = None
            if self.ready or self.last:
                timeout = 0
            elif self.heap:
                timeout = min(max(self.heap[0][0] - time.monotonic(), 0), 5000)
            for key, mask in self.selector.select(timeout):
                self.selector.unregister(key.fileobj)
                stay = []
                for event, task in key.data:
                    if event & mask:
                        self.ready.append(task)
                    else:
                        stay.append((event, task))
                if stay:
                    events = selectors.EVENT_READ if stay[0][0] == selectors.EVENT_READ else selectors.EVENT_WRITE
                    self.selector.register(key.fileobj, events, stay)
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
