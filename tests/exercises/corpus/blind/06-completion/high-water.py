# lacks bounded memory: reads ahead up to 3 MiB of each client that does not read: with many of them memory grows far beyond 16 MiB
import errno
import socket
from collections import deque

from iolab.kernel.ring import ACCEPT, POLL, RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept

HIGH_WATER = 3 << 20


class Client:
    def __init__(self, connection):
        self.connection = connection
        self.replies = deque()
        self.owed = 0
        self.sending = self.receiving = self.ended = self.broken = False


def serve(listening, respond):
    clients = {}
    with Ring(32 << 10) as ring:
        accepting = MultishotAccept(ring, listening)

        def proceed(fd, client):
            if client.broken:
                client.replies.clear()
                if client.receiving:
                    try:
                        client.connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            if client.replies and not client.sending:
                ring.send(fd, client.replies[0])
                client.sending = True
            over = client.ended or client.broken
            if not (over or client.receiving) and client.owed < HIGH_WATER:
                ring.receive(fd)
                client.receiving = True
            if over and not (client.sending or client.receiving):
                clients.pop(fd).connection.close()

        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if operation in (ACCEPT, POLL):
                    try:
                        connection = accepting.connection(completion)
                    except OSError:
                        continue
                    fd = connection.fileno()
                    clients[fd] = Client(connection)
                    proceed(fd, clients[fd])
                    continue
                client = clients[fd]
                if operation == SEND:
                    client.sending = False
                    if result < 0:
                        client.broken = True
                    elif not client.broken:
                        client.owed -= len(client.replies.popleft())
                elif operation == RECEIVE:
                    client.receiving = False
                    if data:
                        reply = respond(data)
                        client.replies.append(reply)
                        client.owed += len(reply)
                    elif result == 0:
                        client.ended = True
                    elif result != -errno.ENOBUFS:
                        client.broken = True
                proceed(fd, client)
