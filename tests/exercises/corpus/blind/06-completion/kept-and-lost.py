# lacks half-close: "who closes the sending half gets all that is owed": it reads up to 4 pieces ahead, and at the end of file closes after the send that is under way, without the replies to the pieces that wait: shows when the client reads late
import errno
import socket
from collections import deque

from iolab.kernel.ring import RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept

AHEAD = 4


class Connection:
    def __init__(self, sock):
        self.sock, self.pieces = sock, deque()
        self.receiving, self.sending, self.ended = False, 0, False


def serve(listening, respond):
    with Ring(8192) as ring:
        accepting, connections = MultishotAccept(ring, listening), {}

        def go_on(fd, connection):
            if connection.ended and not connection.sending and not connection.receiving:
                del connections[fd]
                connection.sock.close()
                return
            if connection.pieces and not connection.sending:
                reply = respond(connection.pieces.popleft())
                connection.sending = len(reply)
                ring.send(fd, reply)
            if not connection.receiving and not connection.ended and len(connection.pieces) < AHEAD:
                connection.receiving = True
                ring.receive(fd)

        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if fd == listening.fileno():
                    try:
                        sock = accepting.connection(completion)
                    except OSError:
                        continue
                    fd = sock.fileno()
                    connections[fd] = Connection(sock)
                    go_on(fd, connections[fd])
                    continue
                connection = connections[fd]
                if operation == RECEIVE:
                    connection.receiving = False
                    if result > 0:
                        connection.pieces.append(data)
                    elif result != -errno.ENOBUFS:
                        connection.ended = True
                elif operation == SEND:
                    if result != connection.sending:
                        connection.ended = True
                        connection.pieces.clear()
                        try:
                            connection.sock.shutdown(socket.SHUT_RDWR)
                        except OSError:
                            pass
                    connection.sending = 0
                go_on(fd, connection)
