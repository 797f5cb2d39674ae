# right (its author thought it wrong: out of descriptors it wakes up 50 times a second to try again, though every client is silent; breaks "Idle is less than 1 % of a CPU, and fewer than 15 wake-ups a second".)
import errno
import select

SIZE = 1 << 16


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening.fileno(), select.EPOLLIN)
    clients, owed = {}, {}
    full = False

    def drop(fd):
        nonlocal full
        owed.pop(fd, None)
        clients.pop(fd).close()

    try:
        while True:
            events = ep.poll(0.02 if full else None)
            if full:
                full = False
                ep.register(listening.fileno(), select.EPOLLIN)
            for fd, _ in events:
                if fd == listening.fileno():
                    try:
                        conn, _ = listening.accept()
                    except OSError as e:
                        if e.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM) and not full:
                            full = True
                            ep.unregister(listening.fileno())
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
