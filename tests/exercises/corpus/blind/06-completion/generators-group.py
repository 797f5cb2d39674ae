# right
import errno

from iolab.kernel.ring import Ring
from iolab.kernel.uring import MultishotAccept


def talk(ring, connection, respond):
    fd = connection.fileno()
    with connection:
        while True:
            ring.receive(fd)
            result, data = yield
            if result == -errno.ENOBUFS:
                continue
            if result <= 0:
                return
            reply = respond(memoryview(data))
            del data
            for start in range(0, len(reply), 1 << 18):
                part = reply[start : start + (1 << 18)]
                ring.send(fd, part)
                result, _ = yield
                if result != len(part):
                    return
            reply = part = None


def run(ring, listening, respond):
    talks = {}
    accepting = MultishotAccept(ring, listening)
    while True:
        for completion in ring.submit_and_wait():
            _, fd, result, _, data = completion
            if fd == listening.fileno():
                try:
                    connection = accepting.connection(completion)
                except OSError:
                    continue
                talks[connection.fileno()] = talk(ring, connection, respond)
                next(talks[connection.fileno()])
                continue
            try:
                talks[fd].send((result, data))
            except StopIteration:
                del talks[fd]


def serve(listening, respond):
    try:
        with Ring(8192) as ring:
            run(ring, listening, respond)
    except SystemExit as stopped:
        raise BaseExceptionGroup("stopped", [stopped])
