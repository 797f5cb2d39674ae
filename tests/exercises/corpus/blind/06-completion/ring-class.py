# right
import collections
import socket
import threading

from iolab.kernel.ring import RECEIVE, SEND, Ring


class Acceptor(threading.Thread):
    """Accepts, and wakes the ring's thread by a byte through a socket pair."""

    def __init__(self, listening):
        super().__init__(daemon=True)
        self.listening = listening
        self.bell, self.button = socket.socketpair()
        self.new = collections.deque()
        self.end = None

    def run(self):
        self.listening.setblocking(True)
        try:
            while True:
                try:
                    sock, _ = self.listening.accept()
                except OSError:
                    continue
                self.new.append(sock)
                self.button.send(b"!")
        except BaseException as end:
            self.end = end
            self.button.send(b"!")


def serve(listening, respond):
    acceptor = Acceptor(listening)
    bell = acceptor.bell.fileno()
    socks, owed = {}, {}
    try:
        with Ring(16384, 64) as ring:
            acceptor.start()
            ring.receive(bell)
            while True:
                for what, fd, result, _, data in ring.submit_and_wait():
                    if fd == bell:
                        while acceptor.new:
                            sock = acceptor.new.popleft()
                            socks[sock.fileno()] = sock
                            ring.receive(sock.fileno())
                        if acceptor.end:
                            raise acceptor.end
                        ring.receive(bell)
                    elif what == RECEIVE and result == -105:  # ENOBUFS: all buffers were taken
                        ring.receive(fd)
                    elif what == RECEIVE and result > 0:
                        owed[fd] = respond(data)
                        if owed[fd]:
                            ring.send(fd, owed[fd])
                        else:
                            ring.receive(fd)
                    elif what == SEND and result > 0:
                        rest = owed[fd][result:]
                        owed[fd] = rest
                        if rest:
                            ring.send(fd, rest)
                        else:
                            ring.receive(fd)
                    else:
                        owed.pop(fd, None)
                        socks.pop(fd).close()
    finally:
        for sock in socks.values():
            sock.close()
        acceptor.bell.close()
        acceptor.button.close()
