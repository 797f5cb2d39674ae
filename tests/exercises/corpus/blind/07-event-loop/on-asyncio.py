# right
"""asyncio has an event loop, and it waits in a selector: let generators run on that."""
import asyncio
import types


@types.coroutine
def _as_coroutine(generator):
    return (yield from generator)


class Loop:
    def __init__(self):
        self._loop = asyncio.SelectorEventLoop()
        self._left = 0
        self._waiting = []
        self._stop = None
        self._handles = set()
        self._turns = {}

    def spawn(self, task):
        self._left += 1
        handle = self._loop.create_task(self._drive(task))
        self._handles.add(handle)
        handle.add_done_callback(self._handles.discard)

    async def _drive(self, task):
        try:
            await _as_coroutine(task)
        except SystemExit:
            raise
        except BaseException as error:
            error.__traceback__ = None
        finally:
            self._left -= 1
            if not self._left and self._stop is not None and not self._stop.done():
                self._stop.set_result(None)

    def run(self):
        if self._left:
            self._stop = self._loop.create_future()
            self._loop.run_until_complete(self._stop)

    # ------------------------------------------------------------------
    def sleep(self, seconds):
        if seconds > 0:
            yield from asyncio.sleep(seconds).__await__()
        else:
            # bare turns: the selector reports, its callback wakes the task, and that task has its turn
            yield
            yield
            yield

    def _when(self, connection, add, remove):
        fd = connection.fileno()
        if fd < 0:
            raise OSError(9, "Bad file descriptor")
        key = (fd, add.__name__)
        while key in self._turns:                       # one at a time for each direction
            yield from asyncio.shield(self._turns[key]).__await__()
        future = self._turns[key] = self._loop.create_future()
        try:
            add(fd, lambda: future.done() or future.set_result(None))
            yield from future.__await__()
        finally:
            del self._turns[key]
            remove(fd)
            if not future.done():
                future.set_result(None)

    def _readable(self, sock):
        return self._when(sock, self._loop.add_reader, self._loop.remove_reader)

    def _writable(self, sock):
        return self._when(sock, self._loop.add_writer, self._loop.remove_writer)

    def accept(self, listening):
        listening.setblocking(False)
        while True:
            yield from self._readable(listening)
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            connection.setblocking(False)
            return connection

    def recv(self, connection, size):
        connection.setblocking(False)
        while True:
            yield from self._readable(connection)
            try:
                return connection.recv(size)
            except BlockingIOError:
                pass

    def send(self, connection, data):
        connection.setblocking(False)
        data = memoryview(data)
        while data:
            yield from self._writable(connection)
            try:
                data = data[connection.send(data[:131072]):]
            except BlockingIOError:
                pass
