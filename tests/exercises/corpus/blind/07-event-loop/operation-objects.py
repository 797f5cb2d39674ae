# right: the operations are iterator objects with an `attempt`, not generators; the loop retries them itself
import heapq
import selectors
import time

AGAIN = object()


class Operation:
    """What a task waits for: the loop is given it by `yield from`, and resumes it until it ends."""

    events = 0
    sock = None

    def __init__(self):
        self.begun = False

    def __iter__(self):
        return self

    def __next__(self):
        if not self.begun:
            self.begun = True
            self.begin()
            return self
        result = self.attempt()
        if result is AGAIN:
            return self
        raise StopIteration(result)

    def begin(self):
        if self.sock.fileno() < 0:
            raise OSError("closed")


class Sleep(Operation):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def begin(self):
        self.due = time.monotonic() + self.seconds

    def attempt(self):
        return None if time.monotonic() >= self.due else AGAIN


class Accept(Operation):
    events = selectors.EVENT_READ

    def __init__(self, sock):
        super().__init__()
        self.sock = sock

    def attempt(self):
        try:
            return self.sock.accept()[0]
        except OSError:
            return AGAIN


class Receive(Operation):
    events = selectors.EVENT_READ

    def __init__(self, sock, size):
        super().__init__()
        self.sock, self.size = sock, size

    def attempt(self):
        try:
            return self.sock.recv(self.size)
        except BlockingIOError:
            return AGAIN


class Send(Operation):
    events = selectors.EVENT_WRITE

    def __init__(self, sock, data):
        super().__init__()
        self.sock, self.rest = sock, memoryview(data)

    def attempt(self):
        try:
            self.rest = self.rest[self.sock.send(self.rest):]
        except BlockingIOError:
            return AGAIN
        return AGAIN if len(self.rest) else None


class Loop:
    sleep = staticmethod(Sleep)
    accept = staticmethod(Accept)
    recv = staticmethod(Receive)
    send = staticmethod(Send)

    def __init__(self):
        self.fresh = []
        self.alarms = []
        self.serial = 0
        self.selector = selectors.PollSelector()

    def spawn(self, task):
        self.fresh.append(task)

    def run(self):
        while self.fresh or self.alarms or self.selector.get_map():
            turn, self.fresh = self.fresh, []
            for key, events in self.selector.select(self.patience(turn)):
                left = {}
                for event, task in key.data.items():
                    if event & events:
                        turn.append(task)
                    else:
                        left[event] = task
                if left:
                    self.selector.modify(key.fd, sum(left), left)
                else:
                    self.selector.unregister(key.fd)
            now = time.monotonic()
            while self.alarms and self.alarms[0][0] <= now:
                turn.append(heapq.heappop(self.alarms)[-1])
            for task in turn:
                self.resume(task)

    def patience(self, turn):
        if turn:
            return 0
        if self.alarms:
            return min(3600, max(0, self.alarms[0][0] - time.monotonic()))
        return None

    def resume(self, task):
        try:
            operation = next(task)
        except SystemExit:
            raise
        except BaseException:
            return
        if not operation.events:
            self.serial += 1
            heapq.heappush(self.alarms, (operation.due, self.serial, task))
            return
        fd = operation.sock.fileno()
        key = self.selector.get_map().get(fd)
        if key is None:
            self.selector.register(fd, operation.events, {operation.events: task})
        else:
            waiting = {**key.data, operation.events: task}
            self.selector.modify(fd, sum(waiting), waiting)
