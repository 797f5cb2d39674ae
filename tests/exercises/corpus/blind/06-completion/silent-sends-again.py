# right
import errno
import socket

from iolab.kernel.ring import ACCEPT, MORE, POLL, RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    """One receive may be under way during a send; the sends are silent as long as the socket takes all."""
    clients: dict[int, socket.socket] = {}
    held: dict[int, bytes] = {}  # what came while bytes were owed: one receive, and no other is asked for
    ended: set[int] = set()
    doomed: set[int] = set()
    door = listening.fileno()

    def forget(fd):
        held.pop(fd, None)
        ended.discard(fd)
        doomed.discard(fd)
        clients.pop(fd).close()

    with Ring(16 << 10) as ring:
        accepting = MultishotAccept(ring, listening)
        try:
            while True:
                # the ends of sends first: what a receive means depends on them
                for completion in sorted(ring.submit_and_wait(), key=lambda one: one[0] == RECEIVE):
                    operation, fd, result, more, data = completion
                    if fd == door and operation in (ACCEPT, POLL):
                        try:
                            new = accepting.connection(completion)
                        except OSError:
                            continue
                        clients[new.fileno()] = new
                        ring.receive(new.fileno())
                    elif operation == RECEIVE:
                        if fd in doomed:
                            forget(fd)
                        elif result == -errno.ENOBUFS:
                            ring.receive(fd)
                        elif result < 0:
                            if ring.is_sending(fd):
                                ended.add(fd)  # its send fails by itself, and is told of
                            else:
                                forget(fd)
                        elif result == 0:
                            if ring.is_sending(fd):
                                ended.add(fd)
                            else:
                                forget(fd)
                        elif ring.is_sending(fd):
                            held[fd] = data
                        else:
                            ring.send_silently(fd, respond(data))
                            ring.receive(fd)
                    elif not more & MORE:  # a send that was not over at once is over now
                        if result < 0:
                            if fd in held or fd in ended:
                                forget(fd)
                            else:  # a receive is under way: it must end before the descriptor may
                                doomed.add(fd)
                                try:
                                    clients[fd].shutdown(socket.SHUT_RDWR)
                                except OSError:
                                    pass
                        elif fd in held:
                            ring.send_silently(fd, respond(held.pop(fd)))
                            ring.receive(fd)
                        elif fd in ended:
                            forget(fd)
        finally:
            for client in clients.values():
                client.close()
