# lacks half-close: "gets all that it is owed, and then the end of file": a short read is taken as "drained" in edge-triggered mode, so an end that came together with the last bytes is never seen (send and shutdown at once); the descriptor stays, too
import select
from collections import deque

SIZE = 16384


class Peer:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.owed, self.readable, self.queued = sock, memoryview(b""), False, False

    def turn(self, respond):
        """Return whether there is more to do, None at the end."""
        try:
            if not self.owed:
                if not self.readable:
                    return False
                data = self.sock.recv(SIZE)
                if not data:
                    return None
                if len(data) < SIZE:  # epoll(7): the read space is exhausted
                    self.readable = False
                self.owed = memoryview(respond(data))
            self.owed = self.owed[self.sock.send(self.owed) :]
        except BlockingIOError:
            if not self.owed:
                self.readable = False
            return False
        except OSError:
            return None
        return bool(self.owed) or self.readable


def serve(listening, respond):
    listening.setblocking(False)
    peers, turns = {}, deque()
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, event in epoll.poll(0 if turns else None):
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    peers[sock.fileno()] = Peer(sock)
                    epoll.register(sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
                    continue
                peer = peers[fd]
                if event & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    peer.readable = True
                if not peer.queued:
                    peer.queued = True
                    turns.append((fd, peer))
            for _ in range(len(turns)):
                fd, peer = turns.popleft()
                more = peer.turn(respond)
                if more:
                    turns.append((fd, peer))
                    continue
                peer.queued = False
                if more is None:
                    del peers[fd]
                    peer.sock.close()
