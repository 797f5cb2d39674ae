# lacks idle while it owes: idle while it owes: after the end of file it asks for another receive while bytes are owed, which ends at once, again and again
import errno
import socket

from iolab.kernel.ring import ACCEPT, POLL, RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept

AHEAD = 48 << 10


class Session:
    def __init__(self, connection, ring, respond):
        self.connection, self.ring, self.respond = connection, ring, respond
        self.fd = connection.fileno()
        self.ahead = []
        self.sending = self.receiving = self.ended = self.broken = False

    def on_receive(self, result, data):
        self.receiving = False
        if data:
            self.ahead.append(data)
        elif result == 0:
            self.ended = True
        elif result != -errno.ENOBUFS:
            self.broken = True

    def on_send(self, result):
        self.sending = False
        if result < 0:
            self.broken = True

    def next(self):
        if self.broken:
            if self.receiving:
                try:
                    self.connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            return not (self.receiving or self.sending)
        if self.ahead and not self.sending:
            data, self.ahead = b"".join(self.ahead), []
            self.ring.send(self.fd, self.respond(data))
            self.sending = True
        if self.ended and not self.sending:
            return not self.receiving
        # receive even while sending: this is how a reset shows
        if not self.receiving and sum(map(len, self.ahead)) < AHEAD:
            self.ring.receive(self.fd)
            self.receiving = True
        return False


def serve(listening, respond):
    sessions = {}
    with Ring(16 << 10) as ring:
        accepting = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, _, data = completion
                if operation in (ACCEPT, POLL):
                    try:
                        connection = accepting.connection(completion)
                    except OSError:
                        continue
                    session = sessions[connection.fileno()] = Session(connection, ring, respond)
                else:
                    session = sessions[fd]
                    if operation == SEND:
                        session.on_send(result)
                    elif operation == RECEIVE:
                        session.on_receive(result, data)
                if session.next():
                    del sessions[session.fd]
                    session.connection.close()
