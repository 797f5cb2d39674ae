# right
import asyncio
import types


@types.coroutine
def _bridge(task):
    return (yield from task)


async def _alone(task):
    try:
        await _bridge(task)
    except SystemExit:
        raise
    except BaseException:
        pass


def _wake(future):
    if not future.done():
        future.set_result(None)


class Loop:
    """The judge's generators are asyncio tasks, and what they yield are asyncio's own futures."""

    def __init__(self):
        self._aio = asyncio.SelectorEventLoop()
        self._aio.set_exception_handler(lambda *_: None)
        self._live = set()

    def spawn(self, task):
        wrapped = self._aio.create_task(_alone(task))
        self._live.add(wrapped)
        wrapped.add_done_callback(self._gone)

    def _gone(self, wrapped):
        self._live.discard(wrapped)
        if not self._live:
            self._aio.stop()

    def run(self):
        if self._live:
            self._aio.run_forever()

    def sleep(self, seconds):
        if seconds <= 0:
            yield
            return
        future = self._aio.create_future()
        self._aio.call_later(seconds, _wake, future)
        yield from future

    def _wait(self, add, remove, fd):
        future = self._aio.create_future()
        add(fd, _wake, future)
        try:
            yield from future
        finally:
            remove(fd)

    def accept(self, listening):
        yield
        while True:
            try:
                return listening.accept()[0]
            except BlockingIOError:
                yield from self._wait(self._aio.add_reader, self._aio.remove_reader, listening.fileno())
            except OSError:
                yield from self.sleep(0.05)

    def recv(self, connection, size):
        while True:
            try:
                data = connection.recv(min(size, 1 << 16))
                break
            except BlockingIOError:
                yield from self._wait(self._aio.add_reader, self._aio.remove_reader, connection.fileno())
        yield
        return data

    def send(self, connection, data):
        if not data:
            return
        rest = memoryview(data).cast("B")
        while rest:
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                yield from self._wait(self._aio.add_writer, self._aio.remove_writer, connection.fileno())
        yield
