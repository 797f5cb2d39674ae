# lacks turns and sleeps: trio; accept goes on after EAGAIN, ECONNABORTED, EMFILE and ENFILE, and raises any other OSError in the task.
# WRONG: trio; accept goes on after EAGAIN, ECONNABORTED, EMFILE and ENFILE, and raises any other OSError in the task.
# Breaks "It goes on after any OSError of `listening.accept()`": with EPROTO, ENOBUFS, EPERM or ETIMEDOUT the accepting task ends,
# and no further client is served.
import math
import time
import trio


class Loop:
    def __init__(self):
        self.waiting_room = []
        self.nursery = None

    def spawn(self, task):
        if self.nursery is None:
            self.waiting_room.append(task)
        else:
            self.nursery.start_soon(self._drive, task)

    async def _drive(self, task):
        failure = None
        while True:
            try:
                if failure is None:
                    wait = task.send(None)
                else:
                    failure, e = None, failure
                    wait = task.throw(e)
            except SystemExit:
                raise
            except BaseException:
                return
            try:
                await wait()
            except (OSError, ValueError, trio.BusyResourceError) as e:
                failure = e

    def sleep(self, seconds):
        async def nap():
            until = time.monotonic() + seconds
            await trio.lowlevel.checkpoint()
            while (left := until - time.monotonic()) > 0:
                await trio.sleep(left)
        return (nap,)       # a tuple is an iterable, too

    def accept(self, listening):
        async def readable():
            await trio.lowlevel.wait_readable(listening.fileno())

        async def rest():
            await trio.sleep(0.2)

        while True:
            yield readable
            try:
                return listening.accept()[0]
            except (BlockingIOError, ConnectionError):
                pass
            except OSError as e:
                if e.errno not in (23, 24):
                    raise
                yield rest

    def recv(self, connection, size):
        async def readable():
            if connection.fileno() < 0:
                raise OSError(9, "closed")
            await trio.lowlevel.wait_readable(connection.fileno())

        while True:
            yield readable
            try:
                return connection.recv(min(size, 100_000))
            except BlockingIOError:
                pass

    def send(self, connection, data):
        async def writable():
            if connection.fileno() < 0:
                raise OSError(9, "closed")
            await trio.lowlevel.wait_writable(connection.fileno())

        if len(data) == 0:
            return
        view = memoryview(data).cast("B")
        sent = 0
        yield trio.lowlevel.checkpoint
        while sent < len(view):
            try:
                sent += connection.send(view[sent:sent + 65536])
                if sent < len(view):
                    yield trio.lowlevel.checkpoint
            except BlockingIOError:
                yield writable

    async def _main(self):
        async with trio.open_nursery() as self.nursery:
            for task in self.waiting_room:
                self.nursery.start_soon(self._drive, task)
            self.waiting_room = []

    def run(self):
        try:
            trio.run(self._main)
        finally:
            self.nursery = None
