# lacks turns and sleeps: `accept` goes on after errors of the network alone
import select
import time


def guarded(task):
    """Runs a task to its end, and lets nothing but SystemExit out."""
    try:
        yield from task
    except SystemExit:
        raise
    except BaseException:
        pass


class Loop:
    def __init__(self):
        self.readers = {}
        self.writers = {}
        self.sleepers = {}
        self.fresh = []

    def spawn(self, task):
        self.fresh.append(guarded(task))

    def sleep(self, seconds):
        end = time.perf_counter() + seconds
        yield self.sleepers, end
        assert time.perf_counter() >= end

    def accept(self, listening):
        result = None
        while result is None:
            yield self.readers, listening
            try:
                result = listening.accept()
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno in (1, 12, 23, 24, 63, 105, 110):
                    raise
                yield from self.sleep(0.1)
        return result[0]

    def recv(self, connection, size):
        connection.getsockname()                # raises OSError where it is closed
        buffer = bytearray(min(size, 32768))
        while True:
            yield self.readers, connection
            try:
                n = connection.recv_into(buffer)
            except BlockingIOError:
                continue
            return bytes(buffer[:n])

    def send(self, connection, data):
        if not data:
            return
        connection.getsockname()
        view = memoryview(data).cast("B")
        at = 0
        while True:
            yield self.writers, connection
            try:
                for _ in range(8):
                    at += connection.send(view[at:at + 4099])
                    if at == len(view):
                        return
            except BlockingIOError:
                pass

    def run(self):
        while True:
            runnable, self.fresh = self.fresh, []
            if not (runnable or self.readers or self.writers or self.sleepers):
                return
            timeout = None
            if runnable:
                timeout = 0
            elif self.sleepers:
                timeout = max(0, min(self.sleepers.values()) - time.perf_counter())
                timeout = min(timeout, 86400)
            r, w, _ = select.select(list(self.readers), list(self.writers), [], timeout)
            runnable += [self.readers.pop(sock) for sock in r]
            runnable += [self.writers.pop(sock) for sock in w]
            now = time.perf_counter()
            over = [task for task, end in self.sleepers.items() if end <= now]
            for task in over:
                del self.sleepers[task]
            for task in runnable + over:
                try:
                    table, what = next(task)
                except StopIteration:
                    continue
                if table is self.sleepers:
                    table[task] = what
                else:
                    table[what] = task
