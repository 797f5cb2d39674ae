# lacks a clean end: a coroutine per task under asyncio.run; a cancellation is thrown into the generator, which goes on if it catches it or waits.
# WRONG: a coroutine per task under asyncio.run; a cancellation is thrown into the generator, which goes on if it catches it or waits.
# Breaks "they may wait, spawn, raise, or never end in their `finally`, and `run()` raises the first SystemExit all the same.
# (`asyncio.run` waits for tasks that it cancels.)": a task that loops `while True: yield from loop.sleep(0)` in its finally,
# or sleeps for 50 s there, keeps run() from raising Stopped.
import asyncio
import time


class Loop:
    def __init__(self):
        self._waiting = []
        self._aio = None
        self._count = 0

    def spawn(self, task):
        if self._aio is None:
            self._waiting.append(task)
        else:
            self._start(task)

    def _start(self, task):
        self._count += 1
        t = self._aio.create_task(self._drive(task))
        self._tasks.add(t)

    async def _drive(self, gen):
        error = None
        try:
            while True:
                if error is None:
                    make = gen.send(None)
                else:
                    error, e = None, error
                    make = gen.throw(e)
                try:
                    await make()
                except asyncio.CancelledError:
                    error = GeneratorExit()
                except (OSError, ValueError) as e:
                    error = e
        except SystemExit:
            raise
        except BaseException:
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            self._count -= 1
            if not self._count:
                self._over.set()

    async def _io(self, add, remove, sock):
        fd = sock.fileno()
        if fd < 0:
            raise ValueError("closed")
        future = self._aio.create_future()
        add(fd, lambda: future.done() or future.set_result(None))
        try:
            await future
        finally:
            remove(fd)

    async def _readable(self, sock):
        await self._io(self._aio.add_reader, self._aio.remove_reader, sock)

    async def _writable(self, sock):
        await self._io(self._aio.add_writer, self._aio.remove_writer, sock)

    def sleep(self, seconds):
        async def nap():
            end = time.monotonic() + seconds
            await asyncio.sleep(0)
            while (left := end - time.monotonic()) > 0:
                await asyncio.sleep(left)
        yield nap

    def accept(self, listening):
        while True:
            yield lambda: self._readable(listening)
            try:
                return listening.accept()[0]
            except BlockingIOError:
                pass
            except OSError:
                yield lambda: asyncio.sleep(0.1)

    def recv(self, connection, size):
        while True:
            yield lambda: self._readable(connection)
            try:
                return connection.recv(min(size, 65536))
            except BlockingIOError:
                pass

    def send(self, connection, data):
        view = memoryview(data).cast("B")
        while view:
            yield lambda: self._writable(connection)
            try:
                view = view[connection.send(view):]
            except BlockingIOError:
                pass

    async def _main(self):
        self._aio = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._tasks = set()
        first, self._waiting = self._waiting, []
        for gen in first:
            self._start(gen)
        await self._over.wait()

    def run(self):
        if not self._waiting:
            return
        try:
            asyncio.run(self._main())
        finally:
            self._aio = None
