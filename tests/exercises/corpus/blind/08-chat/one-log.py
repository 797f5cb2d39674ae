# lacks a frozen client: 'The memory grows by less than 16 MiB for each client that does not read': the log is kept from where the slowest stands; the own lines of one that is owed something, does not
import selectors
from collections import deque

LIMIT = 1 << 20
R, W = selectors.EVENT_READ, selectors.EVENT_WRITE


class Log:
    """All that was said, once, as bytes; `base` is what was thrown away before."""

    def __init__(self):
        self.bytes = bytearray()
        self.base = 0

    @property
    def end(self):
        return self.base + len(self.bytes)

    def cut(self, start, stop):
        return bytes(self.bytes[start - self.base:stop - self.base])

    def forget(self, before):
        if before - self.base > 65536:
            del self.bytes[:before - self.base]
            self.base = before


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.name = None
        self.rest = bytearray()
        self.hello = b""
        self.at = None          # what of the log it has had
        self.own = deque()      # pieces of the log that it said itself
        self.owed = 0
        self.left = self.gone = False
        self.mask = R


def chat(listening):
    listening.setblocking(False)
    sel = selectors.DefaultSelector()
    sel.register(listening, R)
    members, everyone = set(), set()
    log = Log()

    def gone(c):
        if not c.gone:
            c.gone = True
            members.discard(c)
            everyone.discard(c)
            sel.unregister(c.sock)
            c.sock.close()

    def advance(c):
        try:
            while c.hello:
                n = c.sock.send(c.hello)
                c.owed -= n
                c.hello = c.hello[n:]
            while c.at < c.until if c.left else c.at < log.end:
                if c.own and c.own[0][0] <= c.at:
                    c.at = c.own.popleft()[1]
                    continue
                stop = c.until if c.left else log.end
                if c.own:
                    stop = min(stop, c.own[0][0])
                n = c.sock.send(log.cut(c.at, min(stop, c.at + 65536)))
                c.at += n
                c.owed -= n
        except BlockingIOError:
            pass
        except OSError:
            gone(c)
            return
        if c.left and not c.owed:
            gone(c)
            return
        mask = (0 if c.left else R) | (W if c.owed else 0)
        if mask != c.mask:
            c.mask = mask
            sel.modify(c.sock, mask, c)

    def say(c, data):
        for m in list(members):
            if m is not c and m.owed and m.owed + len(data) > LIMIT:
                advance(m)
                if not m.gone and m.owed + len(data) > LIMIT:
                    gone(m)
        start = log.end
        log.bytes += data
        for m in list(members):
            if m is not c:
                m.owed += len(data)
                if m.owed == len(data):
                    advance(m)
        if not c.gone:
            if not c.owed:
                c.at = log.end
                c.own.clear()
            elif c.own and c.own[-1][1] == start:
                c.own[-1] = (c.own[-1][0], log.end)
            else:
                c.own.append((start, log.end))
        if len(log.bytes) > 131072:
            log.forget(min((m.at for m in everyone if m.at is not None), default=log.end))

    def hear(c):
        try:
            data = c.sock.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            gone(c)
            return
        if not data:
            members.discard(c)
            c.left, c.until = True, log.end
            if not c.owed:
                gone(c)
            else:
                c.mask = W
                sel.modify(c.sock, W, c)
            return
        if b"\n" not in data:
            c.rest += data
            return
        lines = (bytes(c.rest) + data).split(b"\n")
        c.rest = bytearray(lines.pop())
        for line in lines:
            if c.name is None:
                c.name = line
                c.hello = b"welcome " + line + b"\n"
                c.owed = len(c.hello)
                c.at = log.end
                members.add(c)
                advance(c)
            else:
                say(c, c.name + b": " + line + b"\n")

    while True:
        for key, what in sel.select():
            c = key.data
            if c is None:
                try:
                    sock, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                sock.setblocking(False)
                c = Client(sock)
                everyone.add(c)
                sel.register(sock, R, c)
                continue
            if what & W and not c.gone:
                advance(c)
            if what & R and not c.gone and not c.left:
                hear(c)
