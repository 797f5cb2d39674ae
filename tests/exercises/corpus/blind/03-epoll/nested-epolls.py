# lacks the model: the connections are in a second epoll that is itself registered with the first, which has only the listening socket; breaks "The listening socket and every connection are registered with one `epoll`."
import select


def serve(listening, respond):
    listening.setblocking(False)
    outer, inner = select.epoll(), select.epoll()
    outer.register(listening, select.EPOLLIN)
    outer.register(inner, select.EPOLLIN)
    socks, owed = {}, {}

    def accept():
        try:
            s, _ = listening.accept()
        except BlockingIOError:
            return
        s.setblocking(False)
        socks[s.fileno()] = s
        inner.register(s, select.EPOLLIN)

    def serve_one(fd):
        s = socks[fd]
        reply = owed.pop(fd, b"")
        try:
            if not reply:
                data = s.recv(65536)
                if not data:
                    raise ConnectionError
                reply = respond(data)
            reply = reply[s.send(reply):]
        except BlockingIOError:
            pass
        except OSError:
            inner.unregister(fd)
            socks.pop(fd).close()
            return
        if reply:
            owed[fd] = reply
        inner.modify(fd, select.EPOLLOUT if reply else select.EPOLLIN)

    try:
        while True:
            for fd, _ in outer.poll():
                if fd == listening.fileno():
                    accept()
                else:
                    for fd2, _ in inner.poll(0):
                        serve_one(fd2)
    finally:
        for s in socks.values():
            s.close()
        inner.close()
        outer.close()
