# right
from collections import deque
from select import EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, epoll

ALL = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET


class Peer:
    __slots__ = ("sock", "can_read", "can_write", "owed", "queued")

    def __init__(self, sock):
        self.sock = sock
        self.can_read = self.can_write = self.queued = False
        self.owed = None

    def turn(self, respond):
        """One system call; True as long as there may be more to do at once."""
        if self.owed is not None:
            try:
                n = self.sock.send(self.owed)
            except BlockingIOError:
                self.can_write = False
            else:
                self.owed = self.owed[n:] or None
        else:
            try:
                data = self.sock.recv(8192)
            except BlockingIOError:
                self.can_read = False
            else:
                if not data:
                    raise ConnectionError("done")
                self.owed = memoryview(respond(data))
        return self.can_write if self.owed is not None else self.can_read


def serve(listening, respond):
    listening.setblocking(False)
    peers, runnable = {}, deque()
    with epoll() as ep:
        ep.register(listening, EPOLLIN)         # this one is level-triggered
        while True:
            for fd, mask in ep.poll(0 if runnable else -1):
                peer = peers.get(fd)
                if peer is None:
                    try:
                        sock, _ = listening.accept()
                    except (ConnectionAbortedError, BlockingIOError):
                        continue
                    sock.setblocking(False)
                    peers[sock.fileno()] = Peer(sock)
                    ep.register(sock, ALL)
                    continue
                if mask & (EPOLLERR | EPOLLHUP):
                    mask |= EPOLLIN | EPOLLOUT
                peer.can_read |= bool(mask & (EPOLLIN | EPOLLRDHUP))
                peer.can_write |= bool(mask & EPOLLOUT)
                able = peer.can_write if peer.owed is not None else peer.can_read
                if able and not peer.queued:
                    peer.queued = True
                    runnable.append(peer)
            for _ in range(len(runnable)):
                peer = runnable.popleft()
                try:
                    again = peer.turn(respond)
                except OSError:
                    del peers[peer.sock.fileno()]
                    peer.sock.close()
                    continue
                peer.queued = again
                if again:
                    runnable.append(peer)
