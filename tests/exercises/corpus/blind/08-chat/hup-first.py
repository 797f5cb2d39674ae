# lacks those who leave: asks for EPOLLRDHUP and drops a client as soon as that shows, so what it said just before it left is lost when both are there in one wake-up; breaks "Each later line goes to all other clients"
import select
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP

MOST = 1_300_000


def chat(listening):
    """Raw epoll; what is to be said in a round is said at the end of the round."""
    epoll = select.epoll()
    clients = {}            # fd -> dict

    def drop(c):
        if clients.pop(c["fd"], None) is not None:
            epoll.unregister(c["fd"])
            c["sock"].close()

    def arm(c):
        mask = EPOLLRDHUP | (EPOLLIN if c["open"] and not c["more"] else 0) | (EPOLLOUT if c["out"] else 0)
        if mask != c["mask"]:
            c["mask"] = mask
            epoll.modify(c["fd"], mask)

    def flush(c):
        try:
            while c["out"]:
                n = c["sock"].send(c["out"])
                del c["out"][:n]
        except BlockingIOError:
            pass
        except OSError:
            return drop(c)
        if len(c["out"]) > MOST or not c["open"] and not c["out"] and not c["more"]:
            return drop(c)
        arm(c)

    def parse(c):
        buffer, at, said, size = c["in"], 0, [], 0
        c["more"] = False
        while True:
            end = buffer.find(10, max(at, c["seen"]))
            if end < 0:
                break
            if size >= 32768:
                c["more"] = True
                break
            line, at = bytes(buffer[at:end + 1]), end + 1
            if c["name"] is None:
                c["name"] = line[:-1]
                c["out"] += b"welcome " + line
                c["hears"] = True
            else:
                said.append(b"%b: %b" % (c["name"], line))
                size += len(said[-1])
        del buffer[:at]
        c["seen"] = 0 if c["more"] else len(buffer)
        if said:
            data = b"".join(said)
            for other in list(clients.values()):
                if other["hears"] and other is not c:
                    quiet = not other["out"]
                    other["out"] += data
                    if quiet or len(other["out"]) > MOST:
                        flush(other)
        if c["name"] == b"" or len(buffer) > 600_000:
            drop(c)
        elif c["fd"] in clients and clients[c["fd"]] is c:
            flush(c)

    listening.setblocking(False)
    epoll.register(listening.fileno(), EPOLLIN)
    busy = []
    try:
        while True:
            for fd, events in epoll.poll(0 if busy else None):
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except OSError:
                        continue
                    sock.setblocking(False)
                    clients[sock.fileno()] = {
                        "sock": sock, "fd": sock.fileno(), "in": bytearray(), "out": bytearray(),
                        "seen": 0, "name": None, "hears": False, "open": True, "more": False,
                        "mask": EPOLLIN | EPOLLRDHUP}
                    epoll.register(sock.fileno(), EPOLLIN | EPOLLRDHUP)
                    continue
                c = clients.get(fd)
                if c is None:
                    continue
                if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                    drop(c)              # it has left
                elif events & EPOLLIN and c["open"] and not c["more"]:
                    try:
                        data = c["sock"].recv(16384)
                    except BlockingIOError:
                        continue
                    except OSError:
                        drop(c)
                        continue
                    if data:
                        c["in"] += data
                        parse(c)
                        if c["more"]:
                            busy.append(c)
                    else:
                        c["open"] = c["hears"] = False
                        flush(c)
                elif events & EPOLLOUT:
                    flush(c)
            now, busy = busy, []
            for c in now:
                if clients.get(c["fd"]) is c:
                    parse(c)
                    if c["more"]:
                        busy.append(c)
    finally:
        for c in list(clients.values()):
            c["sock"].close()
        epoll.close()
