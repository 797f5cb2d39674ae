# right
# io_uring: MultishotAccept, one receive or one send under way for each connection at a time; completions are paired by descriptor, which is closed only when nothing is under way on it.
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
