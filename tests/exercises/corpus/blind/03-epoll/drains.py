# lacks others meanwhile: edge-triggered, it receives and answers until recv says EAGAIN, so one that keeps sending and reading keeps all others waiting; breaks "receive once from it, and see who else is ready".
import select

BOTH = select.EPOLLIN | select.EPOLLOUT | select.EPOLLET


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN | select.EPOLLET)
    socks, owed = {}, {}

    def accept():
        while True:
            try:
                sock, _ = listening.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return
            sock.setblocking(False)
            socks[sock.fileno()] = sock
            owed[sock.fileno()] = b""
            ep.register(sock, BOTH)

    def work(fd, sock):
        # an edge is told once: go on until the kernel says EAGAIN
        while True:
            while owed[fd]:
                owed[fd] = owed[fd][sock.send(owed[fd]):]
            data = sock.recv(100)
            if not data:
                raise EOFError
            owed[fd] = respond(data)

    while True:
        for fd, _ in ep.poll():
            if fd == listening.fileno():
                accept()
            elif fd in socks:
                try:
                    work(fd, socks[fd])
                except BlockingIOError:
                    pass
                except (EOFError, OSError):
                    del owed[fd]
                    socks.pop(fd).close()
                    accept()
