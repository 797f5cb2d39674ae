# right
# Only the listening socket is polled by the ring; what clients send and get are receives and sends.
from iolab.kernel.ring import POLL, Ring

POLLIN = 1
ENOBUFS = -105


def talk(ring, sock, respond):
    fd = sock.fileno()
    with sock:
        while True:
            ring.receive(fd)
            result, data = yield
            if result == ENOBUFS:
                continue
            if result <= 0:
                return
            reply = respond(data)
            while reply:
                ring.send(fd, reply)  # `reply` lives in this frame until the completion
                result, _ = yield
                if result < 0:
                    return
                reply = reply[result:]


def serve(listening, respond):
    listening.setblocking(False)
    talks = {}
    try:
        with Ring(20_000) as ring:
            ring.poll(listening.fileno(), POLLIN)
            while True:
                for op, fd, result, _, data in ring.submit_and_wait():
                    try:
                        if op == POLL:
                            ring.poll(listening.fileno(), POLLIN)
                            sock, _ = listening.accept()
                            t = talks[sock.fileno()] = talk(ring, sock, respond)
                            next(t)
                        else:
                            talks[fd].send((result, data))
                    except StopIteration:
                        del talks[fd]
                    except OSError:
                        pass
    finally:
        for t in talks.values():
            t.close()
