# right
# When descriptors have run out, the door is shut (mask 0) until somebody leaves;
# so that Stopped is not missed, it is looked at thrice a second as long as that lasts.
# A client that is owed bytes is told of nothing but room, once each time.
import functools
import select
import time


def disconnects_on_error(method):
    @functools.wraps(method)
    def wrapper(self, client, *args):
        try:
            return method(self, client, *args)
        except BlockingIOError:
            return self.arm(client)
        except OSError:
            return self.bye(client)
    return wrapper


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.debts = iter(())
        self.piece = b""
        self.mask = 0


class Server:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.epoll = select.epoll()
        self.clients = {}
        self.full = False
        listening.setblocking(False)
        self.epoll.register(listening, select.EPOLLIN)

    def arm(self, client):
        want = (select.EPOLLOUT | select.EPOLLET) if client.piece else select.EPOLLIN
        if want != client.mask:
            client.mask = want
            self.epoll.modify(client.sock, want)

    def door(self, full):
        if self.full != full:
            self.full = full
            self.epoll.modify(self.listening, 0 if full else select.EPOLLIN)

    def bye(self, client):
        del self.clients[client.sock.fileno()]
        self.epoll.unregister(client.sock)
        client.sock.close()
        self.door(False)

    def hello(self):
        try:
            sock, _ = self.listening.accept()
        except ConnectionAbortedError:
            return self.door(True)
        except BlockingIOError:
            return
        self.door(False)
        sock.setblocking(False)
        client = self.clients[sock.fileno()] = Client(sock)
        client.mask = select.EPOLLIN
        self.epoll.register(sock, client.mask)

    @disconnects_on_error
    def read(self, client):
        data = client.sock.recv(12345)
        if not data:
            return self.bye(client)
        client.piece = self.respond(memoryview(data))
        self.write(client)

    @disconnects_on_error
    def write(self, client):
        while client.piece:
            client.piece = client.piece[client.sock.send(client.piece):]
        self.arm(client)

    def run(self):
        look = 0
        while True:
            events = self.epoll.poll(0.33 if self.full else -1)
            if self.full and time.monotonic() >= look:
                look = time.monotonic() + 0.3
                self.hello()
            for fd, _ in events:
                client = self.clients.get(fd)
                if client is None:
                    if fd == self.listening.fileno():
                        self.hello()
                elif client.piece:
                    self.write(client)
                else:
                    self.read(client)


def serve(listening, respond):
    server = Server(listening, respond)
    try:
        server.run()
    finally:
        server.epoll.close()
        for client in server.clients.values():
            client.sock.close()
