# right
import errno
import socket

from iolab.kernel.ring import RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    with Ring(16384) as ring:
        accepting = MultishotAccept(ring, listening)
        socks, kept = {}, {}
        door = listening.fileno()

        def answer(fd, data):
            ring.send_silently(fd, respond(data))
            ring.receive(fd)

        def close(fd):
            kept.pop(fd, None)
            socks.pop(fd).close()

        while True:
            # Newcomers last: what is left for a number that one of them may get has been dealt with.
            for completion in sorted(ring.submit_and_wait(), key=lambda done: done[1] == door):
                operation, fd, result, more, data = completion
                if fd == door:
                    try:
                        sock = accepting.connection(completion)
                    except OSError:
                        continue
                    socks[sock.fileno()] = sock
                    ring.receive(sock.fileno())
                elif operation == RECEIVE:
                    if result == -errno.ENOBUFS:
                        ring.receive(fd)
                    elif ring.is_sending(fd):
                        kept[fd] = data if result > 0 else b""
                    elif result > 0:
                        answer(fd, data)
                    else:
                        close(fd)
                elif more:
                    pass  # not all went out; the rest follows
                elif result < 0:
                    try:
                        socks[fd].shutdown(socket.SHUT_RDWR)
                    except (OSError, KeyError):
                        pass
                    if fd in kept:
                        close(fd)
                elif fd in kept:
                    data = kept.pop(fd)
                    if data:
                        answer(fd, data)
                    else:
                        close(fd)
