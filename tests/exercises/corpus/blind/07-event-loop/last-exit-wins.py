# lacks a clean end: asyncio callbacks; a SystemExit is noted, the loop is told to stop, and what was noted is raised after the round.
# WRONG: asyncio callbacks; a SystemExit is noted, the loop is told to stop, and what was noted is raised after the round.
# Breaks "`run()` raises that very exception at once" / "raises the first SystemExit all the same": where two tasks raise
# SystemExit in one round (two sleeps over at the same time), run() raises the second one's.
import asyncio
import time


class Loop:
    def __init__(self):
        self._pending = []
        self._alive = 0
        self._aio = None
        self._exit = None

    def spawn(self, task):
        self._alive += 1
        if self._aio is None:
            self._pending.append(task)
        else:
            self._aio.call_soon(self._step, task)

    def _step(self, task):
        try:
            arrange = next(task)
        except SystemExit as exit:
            self._exit = exit
            self._aio.stop()
        except BaseException:
            self._alive -= 1
            if not self._alive:
                self._aio.stop()
        else:
            arrange(task)

    def _again(self, task):
        self._aio.call_soon(self._step, task)

    def _readable(self, sock):
        def arrange(task):
            self._aio.add_reader(fd, woken, task)

        def woken(task):
            self._aio.remove_reader(fd)
            self._step(task)

        fd = sock.fileno()
        if fd < 0:
            raise OSError(9, "closed")
        return arrange

    def _writable(self, sock):
        def arrange(task):
            self._aio.add_writer(fd, woken, task)

        def woken(task):
            self._aio.remove_writer(fd)
            self._step(task)

        fd = sock.fileno()
        if fd < 0:
            raise OSError(9, "closed")
        return arrange

    def _until(self, deadline):
        return lambda task: self._aio.call_at(deadline, self._step, task)

    def sleep(self, seconds):
        deadline = time.monotonic() + seconds
        yield self._again
        while time.monotonic() < deadline:      # asyncio may wake a timer early, by the clock's resolution
            yield self._until(deadline)

    def accept(self, listening):
        while True:
            yield self._readable(listening)
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                pass
            except OSError:
                yield self._until(time.monotonic() + 0.09)
            else:
                return connection

    def recv(self, connection, size):
        while True:
            yield self._readable(connection)
            try:
                return connection.recv(min(size, 262144))
            except BlockingIOError:
                pass

    def send(self, connection, data):
        yield self._again
        rest = memoryview(data).cast("B")
        while rest:
            try:
                n = connection.send(rest[:200_000])
            except BlockingIOError:
                yield self._writable(connection)
            else:
                rest = rest[n:]
                if rest:
                    yield self._again

    def run(self):
        if not self._alive:
            return
        self._aio = asyncio.new_event_loop()
        try:
            for task in self._pending:
                self._aio.call_soon(self._step, task)
            self._pending = []
            self._aio.run_forever()
            if self._exit:
                raise self._exit
        finally:
            self._aio.close()
            self._aio = None
