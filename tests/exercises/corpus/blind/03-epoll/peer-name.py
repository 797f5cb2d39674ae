# lacks resets: "a client that resets its connection, at any moment, disturbs no other": getpeername() fails for a client that reset before it was accepted, and that ends the server with an error
import select


class Session:
    def __init__(self, sock, respond):
        self.sock, self.respond = sock, respond
        self.peer = "%s:%d" % sock.getpeername()[:2]
        self.owed = memoryview(b"")
        sock.setblocking(False)

    def __repr__(self):
        return f"<Session {self.peer}, {len(self.owed)} bytes owed>"

    def events(self):
        return select.EPOLLOUT if self.owed else select.EPOLLIN

    def turn(self):
        try:
            if not self.owed:
                data = self.sock.recv(32768)
                if not data:
                    return False
                self.owed = memoryview(self.respond(data))
            self.owed = self.owed[self.sock.send(self.owed) :]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


def serve(listening, respond):
    listening.setblocking(False)
    sessions = {}
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, _ in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sessions[sock.fileno()] = session = Session(sock, respond)
                    epoll.register(sock, session.events())
                    continue
                session = sessions[fd]
                before = session.events()
                if not session.turn():
                    del sessions[fd]
                    epoll.unregister(fd)
                    session.sock.close()
                elif session.events() != before:
                    epoll.modify(fd, session.events())
