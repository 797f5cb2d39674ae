# right
import select
from collections import deque

IN, OUT, ET = select.EPOLLIN, select.EPOLLOUT, select.EPOLLET


class Peer:
    __slots__ = ("sock", "fd", "owed", "queued", "blocked")

    def __init__(self, sock):
        self.sock, self.fd, self.owed, self.queued, self.blocked = sock, sock.fileno(), memoryview(b""), False, False


def step(peer, respond):
    """One turn: True if there may be more to do, False if an edge will tell, None if it has left."""
    try:
        if not peer.owed:
            data = peer.sock.recv(16384)
            if not data:
                return None
            peer.owed = memoryview(respond(data))
        peer.owed = peer.owed[peer.sock.send(peer.owed) :]
        return True
    except BlockingIOError:
        return False
    except OSError:
        return None


def serve(listening, respond):
    listening.setblocking(False)
    epoll = select.epoll()
    epoll.register(listening.fileno(), IN)
    peers, turns = {}, deque()
    try:
        while True:
            for fd, _ in epoll.poll(0 if turns else -1):
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    peer = peers[sock.fileno()] = Peer(sock)
                    epoll.register(sock.fileno(), IN | OUT | ET)
                else:
                    peer = peers[fd]
                if not peer.queued:
                    peer.queued = True
                    turns.append(peer)
            for _ in range(len(turns)):
                peer = turns.popleft()
                again = step(peer, respond)
                if again:
                    turns.append(peer)
                    continue
                peer.queued = False
                if again is None:
                    del peers[peer.fd]
                    peer.sock.close()
    finally:
        epoll.close()
