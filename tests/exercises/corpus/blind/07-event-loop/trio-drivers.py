# right
import functools
import trio


def operation(function):
    """The generator yields (async function, arguments...); a trio task awaits that for it."""
    @functools.wraps(function)
    def call(*arguments):
        yield trio.lowlevel.checkpoint,
        return (yield from function(*arguments))
    return call


class Loop:
    nursery = None
    over = False

    def __init__(self):
        self.early = []
        self.known = set()

    def spawn(self, task):
        self.known.add(task)
        if self.nursery is None:
            self.early.append(task)
        else:
            self.nursery.start_soon(self.drive, task)

    async def drive(self, task):
        while not self.over:
            try:
                wait, *arguments = next(task)
            except SystemExit:
                self.over = True
                raise
            except BaseException:
                self.known.discard(task)
                return
            await wait(*arguments)

    async def main(self):
        async with trio.open_nursery() as self.nursery:
            while self.early:
                self.nursery.start_soon(self.drive, self.early.pop(0))

    def run(self):
        try:
            trio.run(self.main)          # Stopped comes inside of a group
        finally:
            self.nursery = None

    def sleep(self, seconds):
        yield trio.sleep, seconds

    @operation
    def accept(self, listening):
        while True:
            try:
                connection, address = listening.accept()
                return connection
            except BlockingIOError:
                yield trio.lowlevel.wait_readable, listening
            except OSError:
                yield trio.sleep, 0.09

    @operation
    def recv(self, connection, size):
        while True:
            try:
                return connection.recv(min(size, 32768))
            except BlockingIOError:
                yield trio.lowlevel.wait_readable, connection

    @operation
    def send(self, connection, data):
        view = memoryview(data)
        while len(view):
            try:
                view = view[connection.send(view):]
            except BlockingIOError:
                yield trio.lowlevel.wait_writable, connection
