# lacks slow reader's bytes: slow readers get every byte: edge-triggered, and after bytes owed are sent at last it does not read on what had come meanwhile
import select

EDGE = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


class Peer:
    def __init__(self, sock, respond):
        self.sock = sock
        self.respond = respond
        self.owed = memoryview(b"")

    def flush(self):
        while self.owed:
            try:
                self.owed = self.owed[self.sock.send(self.owed):]
            except BlockingIOError:
                return

    def read(self):
        """'more', 'later' or 'gone'."""
        for _ in range(6):
            try:
                data = self.sock.recv(8192)
            except BlockingIOError:
                return "later"
            if not data:
                return "gone"
            self.owed = memoryview(self.respond(data))
            self.flush()
            if self.owed:
                return "later"
        return "more"


def serve(listening, respond):
    listening.setblocking(False)
    peers = {}
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    peers[sock.fileno()] = Peer(sock, respond)
                    epoll.register(sock, EDGE)
                    continue
                peer = peers[fd]
                try:
                    if peer.owed:
                        peer.flush()
                        state = "later"
                    else:
                        state = peer.read()
                except OSError:
                    state = "gone"
                if state == "gone":
                    del peers[fd]
                    epoll.unregister(fd)
                    peer.sock.close()
                elif state == "more":
                    epoll.modify(fd, EDGE)      # ask for the edge again
