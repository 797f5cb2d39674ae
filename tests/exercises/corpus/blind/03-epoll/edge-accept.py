# lacks descriptors: "when others leave, those who wait are served": the listening socket is edge-triggered and the accept loop ends at ConnectionAbortedError, so of several who come while descriptors are short all but the first wait on, though others leave, until somebody new comes; Stopped does come
import select


def serve(listening, respond):
    listening.setblocking(False)
    clients = {}
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN | select.EPOLLET)

    def welcome_all():
        try:
            while True:
                sock, _ = listening.accept()
                sock.setblocking(False)
                clients[sock.fileno()] = [sock, None]
                epoll.register(sock, select.EPOLLIN)
        except (BlockingIOError, ConnectionAbortedError):
            pass

    def turn(client):
        sock, owed = client
        if owed is None:
            data = sock.recv(32768)
            if not data:
                raise ConnectionResetError("the end")
            client[1] = owed = memoryview(respond(data))
        owed = owed[sock.send(owed) :]
        client[1] = owed if len(owed) else None

    try:
        while True:
            for fd, _ in epoll.poll():
                if fd == listening.fileno():
                    welcome_all()
                    continue
                client = clients[fd]
                before = client[1] is None
                try:
                    turn(client)
                except BlockingIOError:
                    pass
                except OSError:
                    epoll.unregister(fd)
                    clients.pop(fd)[0].close()
                    continue
                if before != (client[1] is None):
                    epoll.modify(fd, select.EPOLLOUT if before else select.EPOLLIN)
    finally:
        epoll.close()
