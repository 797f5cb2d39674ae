# right
import errno
from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring


def serve(listening, respond):
    clients = {}
    with Ring(16384) as ring:
        ring.poll(listening.fileno(), 1)
        while True:
            for op, fd, result, flags, data in ring.submit_and_wait():
                if op == POLL:
                    try:
                        client, _ = listening.accept()
                    except ConnectionAbortedError:
                        pass
                    else:
                        clients[client.fileno()] = client
                        ring.receive(client.fileno())
                    ring.poll(listening.fileno(), 1)
                elif op == RECEIVE:
                    if result == -errno.ENOBUFS:
                        ring.receive(fd)
                    elif result <= 0:
                        clients.pop(fd).close()
                    else:
                        ring.send(fd, respond(data))
                elif op == SEND:
                    if result < 0:
                        clients.pop(fd).close()
                    else:
                        ring.receive(fd)
