# right
# Multishot receives (8 buffers of 2 KiB), stopped with stop_receiving while more than 16 KiB wait to be answered; -ENOBUFS and -ECANCELED start them again; closed only when neither receive nor send is under way.
import errno
from collections import deque

from iolab.kernel.ring import MULTISHOT, RECEIVE, Ring
from iolab.kernel.uring import MultishotAccept

AHEAD = 16384


class Connection:
    def __init__(self, ring, sock):
        self.ring, self.sock, self.fd = ring, sock, sock.fileno()
        self.asked, self.size = deque(), 0
        self.sending = self.ended = self.stopping = False
        self.receiving = True
        ring.receive(self.fd, MULTISHOT)

    def received(self, result, more, data, respond):
        if not more:
            self.receiving = self.stopping = False
        if result > 0:
            self.asked.append(data)
            self.size += result
        elif result not in (-errno.ENOBUFS, -errno.ECANCELED):
            self.ended = True
            if result < 0:
                self.asked.clear()
                self.size = 0
        return self.go_on(respond)

    def sent(self, result, respond):
        self.sending = False
        if result < 0:
            self.ended = True
            self.asked.clear()
            if self.receiving and not self.stopping:
                self.stopping = True
                self.ring.stop_receiving(self.fd)
        return self.go_on(respond)

    def go_on(self, respond):
        """Return False when it is over."""
        if self.asked and not self.sending:
            data = self.asked.popleft()
            self.size -= len(data)
            self.sending = True
            self.ring.send(self.fd, respond(data))
        if self.receiving:
            if self.size > AHEAD and not self.stopping:
                self.stopping = True
                self.ring.stop_receiving(self.fd)
        elif not self.ended and self.size <= AHEAD // 2:
            self.receiving = True
            self.ring.receive(self.fd, MULTISHOT)
        return self.sending or self.receiving or not self.ended


def serve(listening, respond):
    connections = {}
    with Ring(2048, 8) as ring:
        accept = MultishotAccept(ring, listening)
        while True:
            for completion in ring.submit_and_wait():
                operation, fd, result, more, data = completion
                if fd == listening.fileno():
                    try:
                        sock = accept.connection(completion)
                    except OSError:
                        continue
                    connections[sock.fileno()] = Connection(ring, sock)
                    continue
                connection = connections[fd]
                if operation == RECEIVE:
                    lives = connection.received(result, more, data, respond)
                else:
                    lives = connection.sent(result, respond)
                if not lives:
                    del connections[fd]
                    connection.sock.close()
