# right
import errno

from iolab.kernel.ring import ACCEPT, Ring
from iolab.kernel.uring import MultishotAccept


def session(ring, sock, respond):
    fd = sock.fileno()
    with sock:
        while True:
            ring.receive(fd)
            result, data = yield
            if result == -errno.ENOBUFS:
                continue
            if result <= 0:
                return
            if reply := respond(data):
                ring.send(fd, reply)
                result, _ = yield
                if result < 0:
                    return


def serve(listening, respond):
    sessions = {}
    with Ring(1 << 14) as ring:
        door, key = MultishotAccept(ring, listening), listening.fileno()
        waiting = []  # what the ring said of the door while no descriptor was free
        full = False
        while True:
            gone = False
            todo = ring.submit_and_wait()
            for c in todo:
                operation, fd, result, _, data = c
                if fd == key:
                    waiting.append(c)
                    continue
                try:
                    sessions[fd].send((result, data))
                except StopIteration:
                    del sessions[fd]
                    gone = True
            if gone or not full or any(c[0] == ACCEPT for c in waiting):
                now, waiting, full = waiting, [], full and not gone
                for c in now:
                    try:
                        sock = door.connection(c)
                    except OSError as error:
                        # an accept of the ring may have failed before somebody left; accept(2), after a poll, is new
                        full = full or c[0] != ACCEPT and error.errno in (errno.EMFILE, errno.ENFILE)
                        continue
                    task = sessions[sock.fileno()] = session(ring, sock, respond)
                    next(task)
