# right
"""Multishot receives from a pool of eight small buffers, ended while bytes are owed."""
import errno
import socket
from dataclasses import dataclass, field

from iolab.kernel.ring import ACCEPT, MORE, MULTISHOT, POLL, RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept


@dataclass
class Peer:
    connection: socket.socket
    ring: Ring
    respond: object
    waiting: list = field(default_factory=list)
    sending: bool = False
    receiving: bool = False
    stopping: bool = False
    ended: bool = False
    broken: bool = False

    @property
    def fd(self):
        return self.connection.fileno()

    def received(self, result, more, data):
        if not more & MORE:
            self.receiving = self.stopping = False
        if data:
            self.waiting.append(data)
        elif result == 0:
            self.ended = True
        elif result < 0 and result not in (-errno.ENOBUFS, -errno.ECANCELED):
            self.broken = True

    def sent(self, result):
        self.sending = False
        if result < 0:
            self.broken = True

    def advance(self):
        """Do what is due. Say whether it is over."""
        if self.broken:
            self.waiting.clear()
        elif self.waiting and not self.sending:
            requests, self.waiting = self.waiting, []
            self.ring.send(self.fd, self.respond(b"".join(requests)))
            self.sending = True
        if self.receiving and not self.stopping and (self.sending or self.broken):
            self.ring.stop_receiving(self.fd)
            self.stopping = True
        if not (self.receiving or self.sending or self.ended or self.broken):
            self.ring.receive(self.fd, MULTISHOT)
            self.receiving = True
        return (self.ended or self.broken) and not (self.receiving or self.sending)


def serve(listening, respond):
    peers = {}
    with Ring(4096, buffers=8) as ring:
        accept = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, more, data = completion
                if operation in (ACCEPT, POLL):
                    try:
                        connection = accept.connection(completion)
                    except OSError:
                        continue
                    fd = connection.fileno()
                    peers[fd] = Peer(connection, ring, respond)
                elif operation == RECEIVE:
                    peers[fd].received(result, more, data)
                elif operation == SEND:
                    peers[fd].sent(result)
                if peers[fd].advance():
                    peers.pop(fd).connection.close()
