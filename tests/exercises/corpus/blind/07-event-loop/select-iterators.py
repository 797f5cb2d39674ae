# right
# No generator of mine anywhere: what the methods return are iterators with a __next__.
import select, time


class Request:
    turned = False
    reads = writes = None
    until = None

    def __init__(self, *arguments):
        self.arguments = arguments

    def __iter__(self):
        return self

    def __next__(self):
        self.reads = self.writes = self.until = None
        if not self.turned:
            self.turned = True
            return self
        self.step(*self.arguments)     # raises StopIteration(result), or says what to wait for
        return self


class Sleep(Request):
    def __next__(self):
        if self.until is None:
            self.until = time.monotonic() + self.arguments[0]
            return self
        raise StopIteration


class Accept(Request):
    def step(self, listening):
        try:
            pair = listening.accept()
        except BlockingIOError:
            self.reads = listening
        except OSError:
            self.until = time.monotonic() + 0.01
        else:
            raise StopIteration(pair[0])


class Recv(Request):
    def step(self, connection, size):
        try:
            data = connection.recv(min(size, 50000))
        except BlockingIOError:
            self.reads = connection
        else:
            raise StopIteration(data)


class Send(Request):
    done = 0

    def step(self, connection, data):
        view = memoryview(data)
        try:
            while self.done < len(view):
                self.done += connection.send(view[self.done:self.done + 100000])
        except BlockingIOError:
            self.writes = connection
        else:
            raise StopIteration


class Loop:
    def __init__(self):
        self.can, self.waits = [], []

    def spawn(self, task):
        self.can.append(task)

    def sleep(self, seconds):
        return Sleep(seconds)

    def accept(self, listening):
        return Accept(listening)

    def recv(self, connection, size):
        return Recv(connection, size)

    def send(self, connection, data):
        return Send(connection, data)

    def run(self):
        while self.can or self.waits:
            r = {q.reads for q, t in self.waits if q.reads is not None}
            w = {q.writes for q, t in self.waits if q.writes is not None}
            dues = [q.until for q, t in self.waits if q.until is not None]
            if self.can:
                limit = 0
            elif dues:
                limit = max(0, min(dues) - time.monotonic())
            else:
                limit = None
            r, w, _ = select.select(r, w, (), limit)
            r, w, now, still = set(r), set(w), time.monotonic(), []
            for q, t in self.waits:
                if q.reads in r or q.writes in w or q.until is not None and q.until <= now:
                    self.can.append(t)
                else:
                    still.append((q, t))
            self.waits = still
            can, self.can = self.can, []
            for t in can:
                try:
                    q = next(t)
                except SystemExit:
                    self.kept = can
                    raise
                except BaseException:
                    continue
                if q.reads is q.writes is q.until is None:
                    self.can.append(t)
                else:
                    self.waits.append((q, t))
