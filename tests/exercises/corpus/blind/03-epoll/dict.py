# right
import select


def serve(listening, respond):
    listening.setblocking(False)
    clients = {}  # descriptor: [socket, view of what is owed or None]
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)

        def drop(fd):
            epoll.unregister(fd)
            clients.pop(fd)[0].close()

        while True:
            for fd, _ in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except OSError:
                        continue
                    sock.setblocking(False)
                    clients[sock.fileno()] = [sock, None]
                    epoll.register(sock, select.EPOLLIN)
                    continue
                client = clients[fd]
                sock, owed = client
                try:
                    if owed is None:
                        data = sock.recv(32768)
                        if not data:
                            drop(fd)
                            continue
                        owed = memoryview(respond(data))
                    sent = sock.send(owed)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    drop(fd)
                    continue
                if owed is None:
                    continue
                rest = owed[sent:]
                if len(rest):
                    if client[1] is None:
                        epoll.modify(fd, select.EPOLLOUT)
                    client[1] = rest
                elif client[1] is not None:
                    client[1] = None
                    epoll.modify(fd, select.EPOLLIN)
