# right: asyncio's loop is the selector and the queue, tasks are stepped by call_soon, and it is stopped when none is left
import asyncio
import time


class Loop:
    def __init__(self):
        self._new = []
        self._alive = 0
        self._aio = None

    def spawn(self, task):
        self._alive += 1
        if self._aio is None:
            self._new.append(task)
        else:
            self._aio.call_soon(self._step, task)

    def run(self):
        if not self._alive:
            return
        self._aio = asyncio.new_event_loop()
        try:
            for task in self._new:
                self._aio.call_soon(self._step, task)
            self._new.clear()
            self._aio.run_forever()
        finally:
            self._aio.close()
            self._aio = None

    def _step(self, task):
        try:
            wait = next(task)
        except SystemExit:
            raise
        except BaseException:
            self._alive -= 1
            if not self._alive:
                self._aio.stop()
            return
        wait(lambda: self._step(task))

    def _soon(self, go):
        self._aio.call_soon(go)

    def _at(self, due):
        def wait(go):
            def check():
                if time.monotonic() >= due:
                    go()
                else:
                    self._aio.call_later(0.001, check)

            self._aio.call_later(max(0, due - time.monotonic()), check)

        return wait

    def _readable(self, fd):
        def wait(go):
            def ready():
                self._aio.remove_reader(fd)
                go()

            self._aio.add_reader(fd, ready)

        return wait

    def _writable(self, fd):
        def wait(go):
            def ready():
                self._aio.remove_writer(fd)
                go()

            self._aio.add_writer(fd, ready)

        return wait

    def sleep(self, seconds):
        yield self._at(time.monotonic() + seconds) if seconds > 0 else self._soon

    def accept(self, listening):
        yield self._soon
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                yield self._readable(listening.fileno())
            except OSError:
                if listening.fileno() < 0:
                    raise
                yield self._soon
            else:
                return connection

    def recv(self, connection, size):
        yield self._soon
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield self._readable(connection.fileno())

    def send(self, connection, data):
        view = memoryview(data)
        while True:
            try:
                view = view[connection.send(view):]
            except BlockingIOError:
                yield self._writable(connection.fileno())
                continue
            yield self._soon
            if not len(view):
                return
