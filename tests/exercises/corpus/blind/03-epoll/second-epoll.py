# lacks the model: "The listening socket and every connection are registered with one epoll": the connections are in a second one that is registered with the first; all else is right
import select


class Connections:
    """All connections, and the epoll in which they are."""

    def __init__(self, respond):
        self.respond, self.epoll, self.all = respond, select.epoll(), {}

    def fileno(self):
        return self.epoll.fileno()

    def add(self, sock):
        sock.setblocking(False)
        self.all[sock.fileno()] = [sock, memoryview(b"")]
        self.epoll.register(sock, select.EPOLLIN)

    def turn(self):
        for fd, _ in self.epoll.poll(0):
            entry = self.all[fd]
            sock, owed = entry
            before = bool(owed)
            try:
                if not owed:
                    data = sock.recv(32768)
                    if not data:
                        self.close(fd)
                        continue
                    owed = memoryview(self.respond(data))
                owed = owed[sock.send(owed) :]
            except BlockingIOError:
                pass
            except OSError:
                self.close(fd)
                continue
            entry[1] = owed
            if bool(owed) != before:
                self.epoll.modify(fd, select.EPOLLOUT if owed else select.EPOLLIN)

    def close(self, fd):
        self.epoll.unregister(fd)
        self.all.pop(fd)[0].close()


def serve(listening, respond):
    listening.setblocking(False)
    connections = Connections(respond)
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        epoll.register(connections, select.EPOLLIN)
        while True:
            for fd, _ in epoll.poll():
                if fd == connections.fileno():
                    connections.turn()
                    continue
                try:
                    connections.add(listening.accept()[0])
                except (BlockingIOError, ConnectionAbortedError):
                    pass
