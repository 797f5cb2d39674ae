# lacks many clients: "hundreds of clients at once": the ring has 8 buffers, and -ENOBUFS, which says only that more came at once, is taken for the end of that client: shows when more than 8 ask in the same instant
from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    with Ring(65536, 8) as ring:
        accepting, connections, owed = MultishotAccept(ring, listening), {}, {}
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if fd == listening.fileno():
                    try:
                        connection = accepting.connection(completion)
                    except OSError:
                        continue
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                elif result <= 0:  # the end, or an error
                    owed.pop(fd, None)
                    connections.pop(fd).close()
                elif operation == RECEIVE:
                    reply = respond(data)
                    owed[fd] = len(reply)
                    ring.send(fd, reply)
                elif operation == SEND:
                    if owed.pop(fd) == result:
                        ring.receive(fd)
                    else:
                        connections.pop(fd).close()
