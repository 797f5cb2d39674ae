# lacks descriptors: When the accept of the ring fails with EMFILE, it asks for the next one at once, and does not tell `connection`. Breaks 'hand all of it to its `connection`' and 'the server is idle when nobody asks': an accept without descriptors fails at once, so it spins while they have run out (and Stopped is not seen then).
from iolab.kernel.ring import RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    connections = {}
    with Ring(4096, 64) as ring:
        accept = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, descriptor, result, _, data = completion
                if descriptor == listening.fileno():
                    if result == -24:  # EMFILE
                        ring.accept(descriptor)
                        continue
                    try:
                        connection = accept.connection(completion)
                    except OSError:
                        continue
                    connections[connection.fileno()] = connection
                    ring.receive(connection.fileno())
                elif operation != RECEIVE and result > 0:
                    ring.receive(descriptor)
                elif operation == RECEIVE and result > 0:
                    ring.send(descriptor, respond(data))
                elif operation == RECEIVE and result == -105:  # ENOBUFS
                    ring.receive(descriptor)
                else:
                    connections.pop(descriptor).close()
