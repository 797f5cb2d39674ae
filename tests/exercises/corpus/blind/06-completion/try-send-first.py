# lacks the model: replies up to 512 bytes are sent by send as a first try, not by the ring
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
                        reply = respond(data)
                        try:
                            n = clients[fd].send(reply, 64) if len(reply) <= 512 else 0
                        except OSError:
                            n = 0
                        if n < len(reply):
                            ring.send(fd, reply[n:])
                        else:
                            ring.receive(fd)
                elif op == SEND:
                    if result < 0:
                        clients.pop(fd).close()
                    else:
                        ring.receive(fd)
