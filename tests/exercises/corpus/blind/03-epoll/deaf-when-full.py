# lacks a clean end: "Stopped ends it at once, whatever clients there are": while descriptors are short the listening socket is unregistered until somebody leaves, so the end is not noticed then (nor is it registered)
import select


def serve(listening, respond):
    listening.setblocking(False)
    door = listening.fileno()
    clients, owed = {}, {}
    epoll = select.epoll()
    epoll.register(door, select.EPOLLIN)
    is_open = True

    def leave(fd):
        nonlocal is_open
        epoll.unregister(fd)
        owed.pop(fd, None)
        clients.pop(fd).close()
        if not is_open:  # there is room again
            is_open = True
            epoll.register(door, select.EPOLLIN)

    while True:
        for fd, _ in epoll.poll():
            if fd == door:
                try:
                    sock, _ = listening.accept()
                except BlockingIOError:
                    continue
                except ConnectionAbortedError:
                    if is_open and clients:
                        is_open = False
                        epoll.unregister(door)
                    continue
                sock.setblocking(False)
                clients[sock.fileno()] = sock
                epoll.register(sock, select.EPOLLIN)
                continue
            sock, had = clients[fd], fd in owed
            try:
                if not had:
                    data = sock.recv(32768)
                    if not data:
                        leave(fd)
                        continue
                    owed[fd] = memoryview(respond(data))
                view = owed[fd]
                view = view[sock.send(view) :]
                if view:
                    owed[fd] = view
                else:
                    del owed[fd]
            except BlockingIOError:
                pass
            except OSError:
                leave(fd)
                continue
            if had != (fd in owed):
                epoll.modify(fd, select.EPOLLIN if had else select.EPOLLOUT)
