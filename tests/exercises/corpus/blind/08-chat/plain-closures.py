# right
import selectors
from collections import deque


def chat(listening):
    LIMIT = 1 << 20
    sel = selectors.DefaultSelector()
    listening.setblocking(False)
    sel.register(listening, selectors.EVENT_READ, None)
    members = {}            # id -> client, only those with a name
    everyone = set()

    class C:
        __slots__ = ("s", "name", "rest", "q", "size", "left", "gone", "mask")

    def mask(c, m):
        if c.mask != m:
            c.mask = m
            sel.modify(c.s, m, c)

    def gone(c):
        if not c.gone:
            c.gone = True
            sel.unregister(c.s)
            c.s.close()
            c.q.clear()
            c.size = 0
            members.pop(id(c), None)
            everyone.discard(c)

    def flush(c):
        q = c.q
        try:
            while q:
                n = c.s.send(q[0])
                c.size -= n
                if n == len(q[0]):
                    q.popleft()
                else:
                    q[0] = memoryview(q[0])[n:]
        except BlockingIOError:
            return
        except OSError:
            gone(c)
            return
        if c.left:
            gone(c)
        else:
            mask(c, selectors.EVENT_READ)

    def give(c, data):
        if c.q and c.size + len(data) > LIMIT:
            flush(c)
            if c.gone or c.size + len(data) > LIMIT:
                return                      # missed, whole
        n = 0
        if not c.q:
            try:
                n = c.s.send(data)
            except BlockingIOError:
                n = 0
            except OSError:
                gone(c)
                return
            if n == len(data):
                return
            mask(c, selectors.EVENT_READ | selectors.EVENT_WRITE)
        c.q.append(memoryview(data)[n:] if n else data)
        c.size += len(data) - n

    def hear(c):
        try:
            data = c.s.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            gone(c)
            return
        if not data:
            members.pop(id(c), None)
            c.left = True
            if c.q:
                mask(c, selectors.EVENT_WRITE)
            else:
                gone(c)
            return
        if b"\n" not in data:
            c.rest.append(data)
            return
        c.rest.append(data)
        lines = b"".join(c.rest).split(b"\n")
        c.rest = [lines.pop()]
        for line in lines:
            if c.name is None:
                c.name = line
                members[id(c)] = c
                give(c, b"welcome " + line + b"\n")
                continue
            message = b"%b: %b\n" % (c.name, line)
            for m in list(members.values()):
                if m is not c and not m.gone:
                    give(m, message)

    try:
        while True:
            for key, what in sel.select():
                c = key.data
                if c is None:
                    try:
                        s, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    s.setblocking(False)
                    c = C()
                    c.s, c.name, c.rest, c.q, c.size = s, None, [], deque(), 0
                    c.left = c.gone = False
                    c.mask = selectors.EVENT_READ
                    sel.register(s, selectors.EVENT_READ, c)
                    everyone.add(c)
                    continue
                if what & selectors.EVENT_WRITE and not c.gone:
                    flush(c)
                if what & selectors.EVENT_READ and not c.gone and not c.left:
                    hear(c)
    finally:
        for c in list(everyone):
            gone(c)
        sel.close()
