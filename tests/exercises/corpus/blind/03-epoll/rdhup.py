# lacks half-close: takes EPOLLRDHUP for the end and closes while requests of a client that has closed its sending half are still unread; breaks "A client that closes its sending half gets all that it is owed".
import errno
import select

SIZE = 1 << 11


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening.fileno(), select.EPOLLIN)
    clients, owed, ending = {}, {}, set()
    full = False

    def drop(fd):
        nonlocal full
        owed.pop(fd, None)
        ending.discard(fd)
        clients.pop(fd).close()
        if full:
            full = False
            ep.modify(listening.fileno(), select.EPOLLIN)

    try:
        while True:
            for fd, event in ep.poll():
                if fd == listening.fileno():
                    try:
                        conn, _ = listening.accept()
                    except OSError as e:
                        if e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not full:
                            # tell me of newcomers and of the end, but once each
                            full = True
                            ep.modify(listening.fileno(), select.EPOLLIN | select.EPOLLET)
                        continue
                    conn.setblocking(False)
                    clients[conn.fileno()] = conn
                    ep.register(conn.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
                    continue
                if fd not in clients:
                    continue
                try:
                    rest = owed.get(fd)
                    if rest is None:
                        data = clients[fd].recv(SIZE)
                        if not data:
                            drop(fd)
                            continue
                        rest = memoryview(respond(data))
                        last = event & select.EPOLLRDHUP
                        if last:
                            ending.add(fd)
                    if len(rest):
                        rest = rest[clients[fd].send(rest):]
                except BlockingIOError:
                    if rest is None:
                        continue
                except OSError:
                    drop(fd)
                    continue
                if fd in ending and not len(rest):
                    drop(fd)  # it will not send any more
                    continue
                if len(rest):
                    if fd not in owed:
                        ep.modify(fd, select.EPOLLOUT)
                    owed[fd] = rest
                elif owed.pop(fd, None) is not None:
                    ep.modify(fd, select.EPOLLIN | select.EPOLLRDHUP)
    finally:
        for conn in clients.values():
            conn.close()
        ep.close()
