# right
import asyncio
from functools import partial


class Loop:
    """Tasks yield coroutine functions; a driver awaits them and passes on what comes of it.
    asyncio.run cancels the drivers at the end: the generators never hear of that."""

    def __init__(self):
        self.tasks = []
        self.drivers = set()
        self.loop = None

    def spawn(self, task):
        self.tasks.append(task)
        if self.loop is not None:
            self._start(task)

    def _start(self, task):
        self.drivers.add(driver := self.loop.create_task(self._drive(task)))
        driver.add_done_callback(self._done)

    def _done(self, driver):
        self.drivers.discard(driver)
        if not self.drivers and not self.all_gone.done():
            self.all_gone.set_result(None)

    async def _drive(self, task):
        step = partial(task.send, None)
        while True:
            try:
                wish = step()
            except SystemExit:
                raise
            except BaseException:
                self.tasks.remove(task)
                return
            try:
                step = partial(task.send, await wish())
            except asyncio.CancelledError:
                raise
            except BaseException as exception:
                step = partial(task.throw, exception)

    async def _main(self):
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda loop, context: None)
        self.all_gone = self.loop.create_future()
        for task in self.tasks:
            self._start(task)
        await self.all_gone

    def run(self):
        if self.tasks:
            try:
                asyncio.run(self._main())
            finally:
                self.loop = None

    async def _ready(self, sock, way):
        future = self.loop.create_future()
        add, remove = ((self.loop.add_reader, self.loop.remove_reader) if way == "r"
                       else (self.loop.add_writer, self.loop.remove_writer))
        fd = sock.fileno()
        add(fd, lambda: future.done() or future.set_result(None))
        try:
            await future
        finally:
            remove(fd)

    async def _accept(self, listening):
        while True:
            await asyncio.sleep(0)
            try:
                return listening.accept()[0]
            except BlockingIOError:
                await self._ready(listening, "r")
            except OSError:
                await asyncio.sleep(0.08)

    async def _recv(self, connection, size):
        await asyncio.sleep(0)
        while True:
            try:
                return connection.recv(min(size, 1 << 17))
            except BlockingIOError:
                await self._ready(connection, "r")

    async def _send(self, connection, data):
        await asyncio.sleep(0)
        rest = memoryview(data)
        while rest.nbytes:
            try:
                rest = rest[connection.send(rest):]
            except BlockingIOError:
                await self._ready(connection, "w")
            else:
                await asyncio.sleep(0)

    def sleep(self, seconds):
        return (yield partial(asyncio.sleep, seconds))

    def accept(self, listening):
        return (yield partial(self._accept, listening))

    def recv(self, connection, size):
        return (yield partial(self._recv, connection, size))

    def send(self, connection, data):
        return (yield partial(self._send, connection, data))
