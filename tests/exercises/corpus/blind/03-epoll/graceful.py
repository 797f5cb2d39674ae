# lacks a clean end: catches Stopped and serves on until the last client has left, which a silent one never does; breaks "let it end your function".
import errno
import select

SIZE = 1 << 16


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening.fileno(), select.EPOLLIN)
    clients, owed = {}, {}
    full = stopped = False

    def drop(fd):
        nonlocal full
        owed.pop(fd, None)
        clients.pop(fd).close()
        if stopped and not clients:
            raise SystemExit
        if full and not stopped:
            full = False
            ep.modify(listening.fileno(), select.EPOLLIN)

    try:
        while True:
            for fd, _ in ep.poll():
                if fd == listening.fileno():
                    try:
                        conn, _ = listening.accept()
                    except SystemExit:
                        # no newcomers any more, but do finish what was begun
                        stopped = True
                        ep.unregister(listening.fileno())
                        if not clients:
                            raise
                        continue
                    except OSError as e:
                        if e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not full:
                            # tell me of newcomers and of the end, but once each
                            full = True
                            ep.modify(listening.fileno(), select.EPOLLIN | select.EPOLLET)
                        continue
                    conn.setblocking(False)
                    clients[conn.fileno()] = conn
                    ep.register(conn.fileno(), select.EPOLLIN)
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
                    if len(rest):
                        rest = rest[clients[fd].send(rest):]
                except BlockingIOError:
                    if rest is None:
                        continue
                except OSError:
                    drop(fd)
                    continue
                if len(rest):
                    if fd not in owed:
                        ep.modify(fd, select.EPOLLOUT)
                    owed[fd] = rest
                elif owed.pop(fd, None) is not None:
                    ep.modify(fd, select.EPOLLIN)
    finally:
        for conn in clients.values():
            conn.close()
        ep.close()
