# lacks bounded memory: At most 16 sends are under way at once ('to bound the memory'); further replies wait in a queue for their turn. Breaks 'one client that does not read ... holds up nobody' and 'A client may read nothing, for as long as it likes': 16 that do not read hold up all others.
from collections import deque

from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


def serve(listening, respond):
    connections, under_way, queue = {}, 0, deque()
    with Ring(4096, 64) as ring:
        accept = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, descriptor, result, _, data = completion
                if operation == SEND:
                    under_way -= 1
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
                    queue.append((descriptor, respond(data)))
                elif operation == RECEIVE and result == -105:  # ENOBUFS
                    ring.receive(descriptor)
                else:
                    connections.pop(descriptor).close()
                while queue and under_way < 16:
                    under_way += 1
                    ring.send(*queue.popleft())
