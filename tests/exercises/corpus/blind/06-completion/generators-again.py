# right
"""A generator for each client, and one that accepts; what they yield are orders of the ring."""
import errno
import select

from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring


def usher(listening, start):
    while True:
        yield POLL, listening.fileno(), select.POLLIN
        try:
            connection, _ = listening.accept()
        except (ConnectionAbortedError, BlockingIOError):
            continue
        start(client(connection, start.respond))


def client(connection, respond):
    with connection:
        fd = connection.fileno()
        while True:
            result, data = yield RECEIVE, fd, None
            if result == -errno.ENOBUFS:
                continue
            if result <= 0:
                return
            result, _ = yield SEND, fd, respond(data)
            if result < 0:
                return


class Scheduler:
    def __init__(self, ring, respond):
        self.ring, self.respond, self.asleep = ring, respond, {}

    def __call__(self, generator):
        self.step(generator, None)

    def step(self, generator, value):
        try:
            operation, fd, what = generator.send(value)
        except StopIteration:
            return
        self.asleep[operation, fd] = generator
        if operation == POLL:
            self.ring.poll(fd, what)
        elif operation == RECEIVE:
            self.ring.receive(fd)
        else:
            self.ring.send(fd, what)

    def run(self):
        while True:
            for operation, fd, result, _, data in self.ring.submit_and_wait():
                self.step(self.asleep.pop((operation, fd)), (result, data))


def serve(listening, respond):
    listening.setblocking(False)
    with Ring(60_000) as ring:
        scheduler = Scheduler(ring, respond)
        scheduler(usher(listening, scheduler))
        scheduler.run()
