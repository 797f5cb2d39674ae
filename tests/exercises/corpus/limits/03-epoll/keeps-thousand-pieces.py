# lacks slow reader's bytes: no more than 1,000 pieces are kept for a client, and the oldest are forgotten
import select
from collections import deque


class Client:
    def __init__(self, sock):
        self.sock, self.owed, self.size, self.ended, self.mask = sock, deque(maxlen=1000), 0, False, select.EPOLLIN

    def receive(self, respond):
        for _ in range(10):
            if self.ended or self.size > 60_000:
                return
            got = self.sock.recv(2048)
            if not got:
                self.ended = True
                return
            self.owed.append(respond(got))
            self.size += len(self.owed[-1])
            if len(got) < 2048:
                return

    def send(self):
        if not self.owed:
            return
        sent = self.sock.sendmsg([self.owed[n] for n in range(min(16, len(self.owed)))])
        self.size -= sent
        while self.owed and sent >= len(self.owed[0]):
            sent -= len(self.owed.popleft())
        if sent:
            self.owed[0] = self.owed[0][sent:]


def attempt(function, *arguments):
    try:
        function(*arguments)
    except BlockingIOError:
        pass


def serve(listening, respond):
    listening.setblocking(False)
    clients = {}
    ep = select.epoll()
    ep.register(listening, select.EPOLLIN)
    try:
        while True:
            for fd, what in ep.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    clients[sock.fileno()] = Client(sock)
                    ep.register(sock, select.EPOLLIN)
                    continue
                client = clients[fd]
                try:
                    if what & select.EPOLLIN:
                        attempt(client.receive, respond)
                    attempt(client.send)
                    if what == select.EPOLLHUP:
                        raise ConnectionResetError
                except OSError:
                    client.ended = True
                    client.owed.clear()
                if client.ended and not client.owed:
                    del clients[fd]
                    client.sock.close()
                    continue
                mask = select.EPOLLOUT if client.owed else 0
                if not client.ended and client.size <= 60_000:
                    mask |= select.EPOLLIN
                if mask != client.mask:
                    client.mask = mask
                    ep.modify(fd, mask)
    finally:
        ep.close()
        for client in clients.values():
            client.sock.close()
