# lacks half-close: EPOLLRDHUP closes at once although requests wait unread, so a client that sends and shuts down loses replies; breaks "A client that closes its sending half gets all that it is owed, and then the end of file."
import select

GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    socks, owed = {}, {}

    def close(fd):
        ep.unregister(fd)
        owed.pop(fd)
        socks.pop(fd).close()

    try:
        while True:
            for fd, ev in ep.poll():
                if fd == listening.fileno():
                    try:
                        s, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    socks[s.fileno()], owed[s.fileno()] = s, b""
                    ep.register(s, select.EPOLLIN | select.EPOLLRDHUP)
                    continue
                try:
                    if not owed[fd]:
                        if ev & GONE:  # the client has left
                            close(fd)
                            continue
                        data = socks[fd].recv(65536)
                        if not data:
                            close(fd)
                            continue
                        owed[fd] = respond(data)
                    owed[fd] = owed[fd][socks[fd].send(owed[fd]):]
                except BlockingIOError:
                    pass
                except OSError:
                    close(fd)
                    continue
                ep.modify(fd, select.EPOLLOUT if owed[fd] else select.EPOLLIN | select.EPOLLRDHUP)
    finally:
        for s in socks.values():
            s.close()
        ep.close()
