# lacks everybody hears: 'ConnectionAbortedError, that client is gone: go on, for others may wait behind it': with an edge-triggered listening socket they wait until somebody else connects
import select
from collections import deque

IN, OUT, ET = select.EPOLLIN, select.EPOLLOUT, select.EPOLLET


class Peer(object):
    def __init__(self, sock):
        self.sock = sock
        self.fd = sock.fileno()
        self.name = None
        self.part = bytearray()
        self.out = deque()
        self.out_size = 0
        self.queued = False     # stands in the line of those who may have something
        self.over = False
        self.left = False


def chat(listening):
    listening.setblocking(0)
    lfd = listening.fileno()
    ep = select.epoll()
    ep.register(lfd, IN | ET)
    peers = {}
    named = {}
    turns = deque()
    accepting = False

    def end(p):
        if not p.over:
            p.over = True
            named.pop(p.fd, None)
            del peers[p.fd]
            p.out.clear()
            p.out_size = 0
            p.sock.close()

    def drain(p):
        out = p.out
        while out:
            try:
                n = p.sock.send(out[0])
            except BlockingIOError:
                return
            except OSError:
                end(p)
                return
            p.out_size -= n
            if n == len(out[0]):
                out.popleft()
            else:
                out[0] = memoryview(out[0])[n:]
        if p.left:
            end(p)

    def put(p, data):
        if p.out:
            if p.out_size + len(data) > 1048576:
                drain(p)
                if p.over:
                    return
                if p.out_size + len(data) > 1048576:
                    end(p)
                    return
        p.out.append(data)
        p.out_size += len(data)
        if len(p.out) == 1:
            drain(p)

    def turn(p):
        """One receive. True if there may be more."""
        try:
            data = p.sock.recv(32768)
        except BlockingIOError:
            return False
        except OSError:
            end(p)
            return False
        if not data:
            named.pop(p.fd, None)
            p.left = True
            if not p.out:
                end(p)
            return False
        start = 0
        batch = []
        size = 0
        while True:
            i = data.find(b"\n", start)
            if i < 0:
                p.part += data[start:]
                break
            if p.part:
                line = bytes(p.part) + data[start:i]
                p.part = bytearray()
            else:
                line = data[start:i]
            start = i + 1
            if p.name is None:
                p.name = line
                named[p.fd] = p
                put(p, b"welcome " + line + b"\n")
                continue
            batch.append(p.name + b": " + line + b"\n")
            size += len(batch[-1])
            if size > 16384:
                spread(p, batch)
                batch = []
                size = 0
        if batch:
            spread(p, batch)
        return not p.over

    def spread(p, batch):
        # short lines go out together; near the limit, one after the other
        together = b"".join(batch)
        for q in list(named.values()):
            if q is p or q.over:
                continue
            if q.out_size + len(together) <= 1048576 or len(batch) == 1:
                put(q, together)
            else:
                for line in batch:
                    if not q.over:
                        put(q, line)

    try:
        while True:
            for fd, ev in ep.poll(0 if turns or accepting else -1):
                if fd == lfd:
                    accepting = True
                    continue
                p = peers.get(fd)
                if p is None:
                    continue
                if p.out and ev & ~IN:
                    drain(p)
                if not p.over and not p.left and not p.queued:
                    p.queued = True
                    turns.append(p)
            for _ in range(20):
                if not accepting:
                    break
                try:
                    s = listening.accept()[0]
                except (BlockingIOError, ConnectionAbortedError):
                    accepting = False
                else:
                    s.setblocking(0)
                    p = Peer(s)
                    peers[p.fd] = p
                    ep.register(p.fd, IN | OUT | ET)
            for _ in range(len(turns)):
                p = turns.popleft()
                p.queued = False
                if not p.over and not p.left and turn(p):
                    p.queued = True
                    turns.append(p)
                if accepting:
                    continue
    finally:
        for p in list(peers.values()):
            end(p)
        ep.close()
