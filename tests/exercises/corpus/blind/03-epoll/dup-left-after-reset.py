# lacks descriptors: Writes through a dup of the connection while bytes are owed, and closes it when they are sent; a reset while bytes are owed closes the connection alone, and the dup stays, registered. Breaks 'descriptors: those of clients that have left are closed' (and idle, as its EPOLLERR is told for ever).
import errno
import select
import socket

IN, OUT = select.EPOLLIN, select.EPOLLOUT
AHEAD, DUPS = 32768, 12


class Client:
    def __init__(self, server, sock):
        self.server, self.sock, self.fd, self.mask = server, sock, sock.fileno(), IN
        self.asked, self.reply, self.other, self.ended = bytearray(), b"", None, False
        server.ep.register(self.fd, IN)
        server.by_fd[self.fd] = self

    def want(self):
        owes = bool(self.reply)
        mask = IN if not self.ended and len(self.asked) < AHEAD else 0
        if owes and self.other is None and not self.mask & OUT:
            if self.server.dups < DUPS:
                try:
                    self.other = self.sock.dup()
                except OSError:
                    pass
                else:
                    self.server.dups += 1
                    self.server.by_fd[self.other.fileno()] = self
                    self.server.ep.register(self.other, OUT)
        elif not owes and self.other is not None:
            self.drop_other()
        if owes and self.other is None:
            mask |= OUT
        if mask != self.mask:
            self.mask = mask
            self.server.ep.modify(self.fd, mask)

    def drop_other(self):
        self.server.ep.unregister(self.other)
        del self.server.by_fd[self.other.fileno()]
        self.other.close()
        self.other = None
        self.server.dups -= 1

    def close(self):
        if self.other is not None and not self.reply:
            self.drop_other()
        self.server.ep.unregister(self.fd)
        del self.server.by_fd[self.fd]
        self.sock.close()
        self.fd = None

    def ready(self, fd, what):
        bad = what & (select.EPOLLERR | select.EPOLLHUP)
        if fd == self.fd and (what & IN and self.mask & IN):
            got = self.sock.recv(AHEAD - len(self.asked))
            if got:
                self.asked += got
            else:
                self.ended = True
        elif bad and self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise ConnectionResetError
        elif bad and what & select.EPOLLERR == 0 and not what & OUT:
            raise ConnectionResetError  # hung up on both sides: nobody there to send to
        for _ in range(3):
            if not self.reply:
                if not self.asked:
                    break
                part = bytes(self.asked[:8192])
                del self.asked[:8192]
                self.reply = memoryview(self.server.respond(part))
            try:
                self.reply = self.reply[self.sock.send(self.reply) :]
            except BlockingIOError:
                break
            if self.reply:
                break
        if not self.reply and self.asked:  # more to do: be called again at once, by room to write
            part = bytes(self.asked[:8192])
            del self.asked[:8192]
            self.reply = memoryview(self.server.respond(part))
        if self.ended and not self.reply and not self.asked:
            raise EOFError
        self.want()


class Server:
    def __init__(self, listening, respond):
        self.listening, self.respond, self.by_fd, self.dups = listening, respond, {}, 0
        listening.setblocking(False)
        self.ep = select.epoll()
        self.ep.register(listening, IN)

    def run(self):
        while True:
            for fd, what in self.ep.poll(0.5, 20):
                if fd == self.listening.fileno():
                    try:
                        sock, _ = self.listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    Client(self, sock)
                elif client := self.by_fd.get(fd):
                    try:
                        client.ready(fd, what)
                    except BlockingIOError:
                        client.want()
                    except (OSError, EOFError):
                        if client.fd is not None:
                            client.close()


def serve(listening, respond):
    server = Server(listening, respond)
    try:
        server.run()
    finally:
        for client in set(server.by_fd.values()):
            client.close()
        server.ep.close()
