# lacks tasks that raise: the second time that a connection was closed before in a run, trio raises BusyResourceError, as it still has a waiter for -1
import trio


class Loop:
    def __init__(self):
        self.waiting_room = []
        self.nursery = None
        self.fatal = None
        self.kept = set()

    def spawn(self, task):
        self.kept.add(task)
        if self.nursery:
            self.nursery.start_soon(self.follow, task)
        else:
            self.waiting_room.append(task)

    async def follow(self, task):
        resume = lambda: next(task)
        while self.fatal is None:
            try:
                function, argument = resume()
            except SystemExit as e:
                self.fatal = e
                self.nursery.cancel_scope.cancel()
                return
            except BaseException:
                self.kept.discard(task)
                resume = None
                return
            try:
                await function(argument)
            except Exception as e:
                resume = lambda e=e: task.throw(e)
            else:
                resume = lambda: next(task)

    async def main(self):
        async with trio.open_nursery() as self.nursery:
            for task in self.waiting_room:
                self.nursery.start_soon(self.follow, task)
            self.waiting_room = []
            task = None
        self.nursery = None

    def run(self):
        if self.waiting_room:
            trio.run(self.main)
        if self.fatal is not None:
            raise self.fatal

    def sleep(self, seconds):
        yield trio.sleep, seconds

    def accept(self, listening):
        while True:
            yield trio.lowlevel.wait_readable, listening
            try:
                connection, address = listening.accept()
                return connection
            except BlockingIOError:
                pass
            except OSError:
                yield trio.sleep, 0.1

    def recv(self, connection, size):
        while True:
            yield trio.lowlevel.wait_readable, connection
            try:
                return connection.recv(size)
            except BlockingIOError:
                pass

    def send(self, connection, data):
        data = memoryview(data)
        while data:
            yield trio.lowlevel.wait_writable, connection
            try:
                n = connection.send(data)
            except BlockingIOError:
                continue
            data = data[n:]
