# lacks descriptors: descriptors of clients that have left are closed: after a reset shutdown() raises ENOTCONN, so close() is not reached and the socket is kept
import select
import socket


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.fd = sock.fileno()
        self.owed = memoryview(b"")


class Server:
    def __init__(self, listening, respond):
        self.listening = listening
        self.respond = respond
        self.clients = {}
        self.all = set()
        self.epoll = select.epoll()
        listening.setblocking(False)
        self.epoll.register(listening, select.EPOLLIN)

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        client = Client(sock)
        self.all.add(client)
        self.clients[client.fd] = client
        self.epoll.register(sock, select.EPOLLIN)

    def part(self, client):
        self.epoll.unregister(client.fd)
        del self.clients[client.fd]
        try:
            client.sock.shutdown(socket.SHUT_RDWR)
            client.sock.close()
            self.all.remove(client)
        except OSError:
            pass                # it is gone already

    def serve_one(self, client):
        owed = bool(client.owed)
        if not owed:
            data = client.sock.recv(16384)
            if not data:
                return self.part(client)
            client.owed = memoryview(self.respond(data))
        try:
            client.owed = client.owed[client.sock.send(client.owed):]
        except BlockingIOError:
            pass
        if owed != bool(client.owed):
            self.epoll.modify(client.fd, select.EPOLLOUT if client.owed else select.EPOLLIN)

    def run(self):
        try:
            while True:
                for fd, _ in self.epoll.poll():
                    if fd == self.listening.fileno():
                        self.accept()
                        continue
                    client = self.clients[fd]
                    try:
                        self.serve_one(client)
                    except BlockingIOError:
                        pass
                    except OSError:
                        self.part(client)
        finally:
            self.epoll.close()
            for client in self.all:
                client.sock.close()


def serve(listening, respond):
    Server(listening, respond).run()
