# lacks idle while it owes: "idle while it owes": EPOLLRDHUP is asked for all the time and level-triggered, so a client that half-closed and does not read what it is owed makes the loop spin
import select

ALWAYS = select.EPOLLRDHUP


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.owed, self.mask = sock, memoryview(b""), ALWAYS | select.EPOLLIN

    def turn(self, event, respond):
        """Return False once this client is finished."""
        try:
            if self.owed:
                if event & (select.EPOLLOUT | select.EPOLLERR | select.EPOLLHUP):
                    self.owed = self.owed[self.sock.send(self.owed) :]
                return True
            data = self.sock.recv(32768)
            if not data:
                return False
            self.owed = memoryview(respond(data))
            self.owed = self.owed[self.sock.send(self.owed) :]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


def serve(listening, respond):
    listening.setblocking(False)
    clients = {}
    with select.epoll() as epoll:
        epoll.register(listening, select.EPOLLIN)
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    client = clients[sock.fileno()] = Client(sock)
                    epoll.register(sock, client.mask)
                    continue
                client = clients[fd]
                if not client.turn(event, respond):
                    del clients[fd]
                    client.sock.close()
                    continue
                mask = ALWAYS | (select.EPOLLOUT if client.owed else select.EPOLLIN)
                if mask != client.mask:
                    client.mask = mask
                    epoll.modify(fd, mask)
