# right: each task is an asyncio task, the operations are asyncio's own sock_* coroutines, made usable for plain generators by types.coroutine
import asyncio
import time
import types


class Loop:
    def __init__(self):
        self._fresh = []
        self._alive = set()
        self._wake = None

    def spawn(self, task):
        if self._wake is None:
            self._fresh.append(task)
        else:
            self._start(task)

    def _start(self, task):
        job = asyncio.get_running_loop().create_task(self._drive(task))
        self._alive.add(job)
        job.add_done_callback(self._ended)

    def _ended(self, job):
        self._alive.discard(job)
        if not self._alive:
            self._wake.set()

    @staticmethod
    async def _drive(task):
        @types.coroutine
        def body():
            yield from task

        try:
            await body()
        except SystemExit:
            raise
        except BaseException:
            pass

    def run(self):
        if not self._fresh:
            return
        aio = asyncio.new_event_loop()  # not asyncio.run: at a SystemExit nobody is to be cancelled first
        try:
            aio.run_until_complete(self._main())
        except SystemExit:
            for job in asyncio.all_tasks(aio):
                job._log_destroy_pending = False
            raise
        finally:
            aio.close()

    async def _main(self):
        self._wake = asyncio.Event()
        try:
            fresh, self._fresh = self._fresh, []
            for task in fresh:
                self._start(task)
            while self._alive:
                self._wake.clear()
                await self._wake.wait()
        finally:
            self._wake = None

    @types.coroutine
    def sleep(self, seconds):
        due = time.monotonic() + seconds
        yield from asyncio.sleep(max(0, seconds))
        while time.monotonic() < due:
            yield from asyncio.sleep(0.001)

    @types.coroutine
    def accept(self, listening):
        yield from asyncio.sleep(0)
        while True:
            try:
                connection, _ = yield from asyncio.get_running_loop().sock_accept(listening)
                return connection
            except OSError:
                if listening.fileno() < 0:
                    raise
                yield from asyncio.sleep(0)

    @types.coroutine
    def recv(self, connection, size):
        yield from asyncio.sleep(0)
        return (yield from asyncio.get_running_loop().sock_recv(connection, size))

    @types.coroutine
    def send(self, connection, data):
        yield from asyncio.sleep(0)
        yield from asyncio.get_running_loop().sock_sendall(connection, data)
