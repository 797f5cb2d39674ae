# lacks slow reader's bytes: edge-triggered, after a backlog is sent it waits for a new EPOLLIN edge although bytes lie in the socket, so the client gets stuck; breaks "Serve every client" and "gets all that it is owed, and then the end of file."
import select


def serve(listening, respond):
    listening.setblocking(False)
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN | select.EPOLLET)
    conns = {}

    class Conn:
        def __init__(self, sock):
            self.sock, self.owed = sock, memoryview(b"")

        def on_in(self):
            while not self.owed:
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError
                self.owed = memoryview(respond(data))
                self.on_out()

        def on_out(self):
            while self.owed:
                self.owed = self.owed[self.sock.send(self.owed):]

    try:
        while True:
            for fd, ev in ep.poll():
                if fd == listening.fileno():
                    while True:
                        try:
                            s, _ = listening.accept()
                        except BlockingIOError:
                            break
                        s.setblocking(False)
                        conns[s.fileno()] = Conn(s)
                        ep.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
                    continue
                c = conns[fd]
                try:
                    if c.owed:
                        if ev & (select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR):
                            c.on_out()
                    elif ev & ~select.EPOLLOUT:
                        c.on_in()
                except BlockingIOError:
                    pass
                except (OSError, EOFError):
                    del conns[fd]
                    ep.unregister(fd)
                    c.sock.close()
    finally:
        for c in conns.values():
            c.sock.close()
        ep.close()
