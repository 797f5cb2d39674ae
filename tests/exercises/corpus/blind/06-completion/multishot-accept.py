# lacks a clean end: takes every completion on the listening socket that is no accept for one of a connection
import errno

from iolab.kernel.ring import ACCEPT, RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    """Accept, receive and send in one ring; never more than one order for each connection."""
    connections = {}
    debts = {}
    with Ring(1 << 16) as ring:
        incoming = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, flags, data = completion
                if operation == ACCEPT:
                    try:
                        connection = incoming.connection(completion)
                    except OSError:
                        continue
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                    continue
                if operation == RECEIVE:
                    if result == -errno.ENOBUFS:
                        ring.receive(fd)
                        continue
                    debt = respond(data) if result > 0 else None
                else:
                    debt = debts.pop(fd)[result:] if result >= 0 else None
                if debt is None:
                    debts.pop(fd, None)
                    connections.pop(fd).close()
                elif debt:
                    debts[fd] = debt
                    ring.send(fd, debt)
                else:
                    ring.receive(fd)
