# lacks turns and sleeps: `accept` may rest for 0.1 s; after several errors in a row it rests for 0.2, 0.4, 0.8, 1.6 and 3.2 s
import asyncio


class Loop:
    def __init__(self):
        self._aio = asyncio.new_event_loop()
        self._tasks = set()
        self._task = None
        self._failure = None

    def __del__(self):
        self._aio.close()

    def spawn(self, task):
        self._tasks.add(task)
        self._aio.call_soon(self._step, task)

    def _step(self, task):
        if self._failure:
            return
        self._task = task
        try:
            next(task)
        except SystemExit as e:
            self._failure = e
            self._aio.stop()
        except BaseException:
            self._tasks.discard(task)
            if not self._tasks:
                self._aio.stop()
        self._task = None

    def run(self):
        if self._tasks:
            self._aio.run_forever()
        if self._failure:
            raise self._failure

    def sleep(self, seconds):
        self._aio.call_later(seconds, self._step, self._task)
        yield

    def _turn(self):
        self._aio.call_soon(self._step, self._task)
        yield

    def _readable(self, sock):
        fd, task = sock.fileno(), self._task

        def wake():
            self._aio.remove_reader(fd)
            self._step(task)
        self._aio.add_reader(fd, wake)
        yield

    def _writable(self, sock):
        fd, task = sock.fileno(), self._task

        def wake():
            self._aio.remove_writer(fd)
            self._step(task)
        self._aio.add_writer(fd, wake)
        yield

    def accept(self, listening):
        yield from self._turn()
        rest = 0.1
        while True:
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                yield from self._readable(listening)
            except OSError:
                yield from self.sleep(rest)
                rest = min(rest * 2, 3.2)
            else:
                return connection

    def recv(self, connection, size):
        yield from self._turn()
        while True:
            try:
                return connection.recv(size)
            except BlockingIOError:
                yield from self._readable(connection)

    def send(self, connection, data):
        yield from self._turn()
        data = memoryview(data)
        while data:
            try:
                data = data[connection.send(data):]
            except BlockingIOError:
                yield from self._writable(connection)
