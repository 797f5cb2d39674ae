# lacks resets: "every byte, in order, and no one else's": the rest owed to a client that reset stays under its descriptor's number, and the next client with that number gets it
import select


def serve(listening, respond):
    listening.setblocking(False)
    socks, rest = {}, {}
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)

        def close(fd):
            epoll.unregister(fd)
            socks.pop(fd).close()

        def flush(fd, asked):
            data = rest[fd]
            try:
                data = data[socks[fd].send(data) :]
            except BlockingIOError:
                pass
            if data:
                rest[fd] = data
                wanted = select.EPOLLOUT
            else:
                del rest[fd]
                wanted = select.EPOLLIN
            if wanted != asked:
                epoll.modify(fd, wanted)

        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    fd = sock.fileno()
                    socks[fd] = sock
                    epoll.register(fd, select.EPOLLOUT if fd in rest else select.EPOLLIN)
                    continue
                try:
                    if fd in rest:
                        flush(fd, select.EPOLLOUT)
                    else:
                        data = socks[fd].recv(32768)
                        if not data:
                            close(fd)
                            continue
                        rest[fd] = memoryview(respond(data))
                        flush(fd, select.EPOLLIN)
                except BlockingIOError:
                    pass
                except OSError:
                    close(fd)
