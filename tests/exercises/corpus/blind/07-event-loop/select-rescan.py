# right: no queue at all: every task is a record with a condition; each round asks select() about all and steps those that can go on
import select
import time


class Loop:
    """Records [task, kind, argument]; kind is 'go', 'at', 'r' or 'w'."""

    def __init__(self):
        self._records = []

    def spawn(self, task):
        self._records.append([task, "go", None])

    def run(self):
        while self._records:
            r, w, when, go = [], [], None, False
            for _, kind, arg in self._records:
                if kind == "go":
                    go = True
                elif kind == "r":
                    r.append(arg)
                elif kind == "w":
                    w.append(arg)
                elif when is None or arg < when:
                    when = arg
            if go:
                timeout = 0
            elif when is not None:
                timeout = max(0, when - time.monotonic())
            else:
                timeout = None
            r, w, _ = select.select(r, w, [], timeout)
            r, w, now = set(r), set(w), time.monotonic()
            records, self._records = self._records, []
            kept = []
            for record in records:
                task, kind, arg = record
                if (
                    kind == "go"
                    or (kind == "r" and arg in r)
                    or (kind == "w" and arg in w)
                    or (kind == "at" and arg <= now)
                ):
                    try:
                        record[1:] = next(task)
                    except SystemExit:
                        raise
                    except BaseException:
                        continue
                kept.append(record)
            self._records = kept + self._records  # those are new

    @staticmethod
    def _fd(sock):
        fd = sock.fileno()
        if fd < 0:
            raise ValueError("closed socket")
        return fd

    def sleep(self, seconds):
        yield ("at", time.monotonic() + seconds) if seconds > 0 else ("go", None)

    def accept(self, listening):
        while True:
            yield "r", self._fd(listening)
            try:
                return listening.accept()[0]
            except OSError:
                continue

    def recv(self, connection, size):
        while True:
            yield "r", self._fd(connection)
            try:
                return connection.recv(size)
            except BlockingIOError:
                continue

    def send(self, connection, data):
        view = memoryview(data)
        while True:
            yield "w", self._fd(connection)
            try:
                count = connection.send(view)
            except BlockingIOError:
                continue
            view = view[count:]
            if not view:
                return None
