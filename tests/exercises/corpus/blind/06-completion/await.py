# right
import errno
import types

from iolab.kernel.ring import POLL, Ring
from iolab.kernel.uring import MultishotAccept


@types.coroutine
def completion():
    return (yield)


class Loop:
    def __init__(self, ring):
        self.ring, self.tasks = ring, {}

    async def receive(self, fd):
        while True:
            self.ring.receive(fd)
            _, _, result, _, data = await completion()
            if result >= 0:
                return data
            if result != -errno.ENOBUFS:
                raise OSError(-result, "receive")

    async def send(self, fd, data):
        self.ring.send(fd, data)
        _, _, result, _, _ = await completion()
        if result < 0:
            raise OSError(-result, "send")

    def start(self, fd, coroutine):
        self.tasks[fd] = coroutine
        self.step(fd, None)

    def step(self, fd, value):
        try:
            self.tasks[fd].send(value)
        except StopIteration:
            del self.tasks[fd]
            return True
        return False


async def talk(loop, sock, respond):
    with sock:
        try:
            while data := await loop.receive(sock.fileno()):
                if reply := respond(data):
                    await loop.send(sock.fileno(), reply)
        except OSError:
            pass


def serve(listening, respond):
    with Ring(16384) as ring:
        loop, acceptor = Loop(ring), MultishotAccept(ring, listening)
        late, shut = None, False

        def admit(c):
            try:
                sock = acceptor.connection(c)
            except OSError as e:
                return shut or c[0] == POLL and e.errno in (errno.EMFILE, errno.ENFILE)
            loop.start(sock.fileno(), talk(loop, sock, respond))
            return False

        while True:
            for c in ring.submit_and_wait():
                if c[1] == listening.fileno():
                    if shut and c[0] == POLL:
                        late = c
                    else:
                        shut = admit(c)
                elif loop.step(c[1], c):
                    shut = False
                    if late:
                        c, late = late, None
                        shut = admit(c)
