# right
# Edge-triggered, IN and OUT asked for once and for all; a run queue of at most three receives a turn, and epoll asked (time-out 0) between any two rounds.
import select
from collections import deque

IN, OUT, ET = select.EPOLLIN, select.EPOLLOUT, select.EPOLLET
BAD = select.EPOLLHUP | select.EPOLLERR


class Peer:
    __slots__ = ("sock", "readable", "writable", "owed", "at", "ended", "queued")

    def __init__(self, sock):
        self.sock, self.readable, self.writable = sock, False, True
        self.owed, self.at, self.ended, self.queued = b"", 0, False, False

    def can_go_on(self):
        if self.at < len(self.owed):
            return self.writable
        return self.readable or self.ended

    def turn(self, respond):
        """Return False once it is over."""
        for _ in range(3):
            while self.at < len(self.owed):
                if not self.writable:
                    return True
                try:
                    with memoryview(self.owed) as whole:
                        self.at += self.sock.send(whole[self.at : self.at + 50_000])
                except BlockingIOError:
                    self.writable = False
                    return True
            self.owed, self.at = b"", 0
            if self.ended:
                return False
            if not self.readable:
                return True
            try:
                got = self.sock.recv(10_000)
            except BlockingIOError:
                self.readable = False
                return True
            if got:
                self.owed = respond(got)
            else:
                self.ended = True
        return True


def serve(listening, respond):
    listening.setblocking(False)
    peers, queue, number = {}, deque(), listening.fileno()
    ep = select.epoll()
    ep.register(number, IN | ET)
    accepting = False
    try:
        while True:
            for fd, what in ep.poll(0 if queue or accepting else -1):
                if fd == number:
                    accepting = True
                    continue
                peer = peers[fd]
                if what & (IN | BAD):
                    peer.readable = True
                if what & (OUT | BAD):
                    peer.writable = True
                if not peer.queued and peer.can_go_on():
                    peer.queued = True
                    queue.append(peer)
            for _ in range(8 if accepting else 0):
                try:
                    sock, _from = listening.accept()
                except BlockingIOError:
                    accepting = False
                    break
                except ConnectionAbortedError:
                    continue
                sock.setblocking(False)
                peers[sock.fileno()] = Peer(sock)
                ep.register(sock, IN | OUT | ET)
            for _ in range(len(queue)):
                peer = queue.popleft()
                peer.queued = False
                try:
                    lives = peer.turn(respond)
                except OSError:
                    lives = False
                if not lives:
                    del peers[peer.sock.fileno()]
                    peer.sock.close()
                elif peer.can_go_on():
                    peer.queued = True
                    queue.append(peer)
    finally:
        ep.close()
        for peer in peers.values():
            peer.sock.close()
