# lacks resets: a client gets no one else's bytes: what a client that reset its connection was owed goes to the next one with the same descriptor
import collections
import select


def serve(listening, respond):
    epoll = select.epoll()
    listening.setblocking(False)
    epoll.register(listening, select.EPOLLIN)
    clients = {}
    outbox = collections.defaultdict(bytearray)

    def leave(fd):
        epoll.unregister(fd)
        clients.pop(fd).close()

    def flush(fd):
        data = outbox[fd]
        while data:
            try:
                sent = clients[fd].send(data)
            except BlockingIOError:
                break
            del data[:sent]
        epoll.modify(fd, select.EPOLLOUT if data else select.EPOLLIN)

    try:
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    clients[sock.fileno()] = sock
                    epoll.register(sock, select.EPOLLIN)
                    continue
                try:
                    if not outbox[fd]:
                        data = clients[fd].recv(8192)
                        if not data:
                            del outbox[fd]
                            leave(fd)
                            continue
                        outbox[fd] += respond(data)
                    flush(fd)
                except BlockingIOError:
                    pass
                except OSError:
                    leave(fd)
    finally:
        epoll.close()
        for sock in clients.values():
            sock.close()
