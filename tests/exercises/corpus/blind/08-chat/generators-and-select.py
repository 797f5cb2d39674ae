# right
import select


def member(sock, room, stay):
    """One client, as a generator: yields when it has had its turn."""
    buf, name = b"", None
    pieces = []
    me = {"sock": sock, "q": [], "i": 0, "n": 0, "bad": False}
    stay.append(me)
    try:
        while not me["bad"]:
            yield "r", me
            if me["bad"]:
                return
            try:
                got = sock.recv(2000)
            except BlockingIOError:
                continue
            except OSError:
                me["bad"] = True
                return
            if not got:
                break
            pieces.append(got)
            if b"\n" not in got:
                continue
            *lines, buf = b"".join(pieces).split(b"\n")
            pieces = [buf]
            for line in lines:
                if name is None:
                    name = line
                    room.append(me)
                    post(me, b"welcome " + name + b"\n")
                    continue
                text = name + b": " + line + b"\n"
                for other in room:
                    if other is not me:
                        post(other, text)
        if me in room:
            room.remove(me)
        while me["n"] and not me["bad"]:
            yield "w", me
    finally:
        if me in room:
            room.remove(me)
        stay.remove(me)
        sock.close()


def pump(me):
    q, i = me["q"], me["i"]
    try:
        while i < len(q):
            k = me["sock"].send(q[i])
            me["n"] -= k
            if k == len(q[i]):
                q[i] = None
                i += 1
            else:
                q[i] = memoryview(q[i])[k:]
    except BlockingIOError:
        pass
    except OSError:
        me["bad"] = True
    if me["bad"] or i == len(q):
        q.clear()
        i = me["n"] = 0
    elif i > 5000 and i * 8 > len(q):
        del q[:i]
        i = 0
    me["i"] = i


def post(me, data):
    if me["bad"]:
        return
    if me["n"] and me["n"] + len(data) > 1 << 20:
        pump(me)
        if me["bad"] or me["n"] and me["n"] + len(data) > 1 << 20:
            return
    idle = not me["n"]
    me["q"].append(data)
    me["n"] += len(data)
    if idle:
        pump(me)


def chat(listening):
    listening.setblocking(False)
    room, stay, running = [], [], {}
    try:
        while True:
            readers, writers = [listening], []
            for g, (kind, me) in running.items():
                if kind == "r":
                    readers.append(me["sock"])
                if me["n"]:
                    writers.append(me["sock"])
            r, w, _ = select.select(readers, writers, [])
            r, w = set(r), set(w)
            if listening in r:
                try:
                    s, _ = listening.accept()
                    s.setblocking(False)
                    g = member(s, room, stay)
                    running[g] = next(g)
                except (BlockingIOError, ConnectionAbortedError):
                    pass
            for g, (kind, me) in list(running.items()):
                if me["sock"] in w and me["n"]:
                    pump(me)
                if me["bad"] or me["sock"] in r and kind == "r" or kind == "w" and not me["n"]:
                    try:
                        running[g] = g.send(None)
                    except StopIteration:
                        del running[g]
            for g, (kind, me) in list(running.items()):
                if me["bad"]:
                    g.close()
                    del running[g]
    finally:
        for g in list(running):
            g.close()
