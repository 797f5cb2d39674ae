# right
import errno
from iolab.kernel.ring import POLL, Ring


def talk(ring, client, respond):
    fd = client.fileno()
    with client:
        while True:
            ring.receive(fd)
            result, data = yield
            if result == -errno.ENOBUFS:
                continue
            if result <= 0:
                return
            ring.send(fd, respond(data))
            result, _ = yield
            if result < 0:
                return


def serve(listening, respond):
    try:
        _serve(listening, respond)
    except SystemExit as stop:
        raise BaseExceptionGroup("end", [stop]) from None


def _serve(listening, respond):
    talks = {}
    with Ring(8192) as ring:
        ring.poll(listening.fileno(), 1)
        while True:
            for op, fd, result, _, data in ring.submit_and_wait():
                if op == POLL:
                    try:
                        client = listening.accept()[0]
                        number = client.fileno()
                        talks[number] = talk(ring, client, respond)
                        next(talks[number])
                    except ConnectionAbortedError:
                        pass
                    ring.poll(listening.fileno(), 1)
                else:
                    try:
                        talks[fd].send((result, data))
                    except StopIteration:
                        del talks[fd]
