# lacks the model: all sockets are in one epoll, but it sleeps in select() on the epoll's descriptor and only collects with poll(0); breaks "one thread that waits in `epoll_wait` alone"
import select


def events(ep):
    while True:
        select.select([ep], [], [])
        yield from ep.poll(0)


def serve(listening, respond):
    listening.setblocking(False)
    conns = {}
    with select.epoll() as ep:
        ep.register(listening, select.EPOLLIN)
        for fd, _ in events(ep):
            if fd == listening.fileno():
                try:
                    s, _ = listening.accept()
                except BlockingIOError:
                    continue
                s.setblocking(False)
                conns[s.fileno()] = (s, bytearray())
                ep.register(s, select.EPOLLIN)
                continue
            if fd not in conns:
                continue
            s, owed = conns[fd]
            before = bool(owed)
            try:
                if not owed:
                    data = s.recv(30_000)
                    if not data:
                        raise EOFError
                    owed.extend(respond(data))
                del owed[:s.send(owed)]
            except BlockingIOError:
                pass
            except (OSError, EOFError):
                del conns[fd]
                s.close()
                continue
            if before != bool(owed):
                ep.modify(fd, select.EPOLLOUT if owed else select.EPOLLIN)
