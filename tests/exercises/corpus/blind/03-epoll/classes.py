# right
import select
import socket
from collections import deque


class Client:
    def __init__(self, server, sock):
        self.server, self.sock, self.queue, self.mask = server, sock, deque(), select.EPOLLIN
        sock.setblocking(False)
        server.watch(sock, self, self.mask)

    def ready(self, mask):
        try:
            if self.queue:
                self.flush()
            else:
                self.read()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
            return
        self.update()

    def read(self):
        data = self.sock.recv(16 * 1024)
        if not data:
            self.close()
            return
        reply = memoryview(self.server.respond(data))
        self.queue.extend(reply[at : at + 65536] for at in range(0, len(reply), 65536))
        self.flush()

    def flush(self):
        while self.queue:
            chunk = self.queue[0]
            sent = self.sock.send(chunk)
            if sent == len(chunk):
                self.queue.popleft()
            else:
                self.queue[0] = chunk[sent:]
                break  # the buffer of the kernel is full

    def update(self):
        if self.sock.fileno() < 0:
            return
        mask = select.EPOLLOUT if self.queue else select.EPOLLIN
        if mask != self.mask:
            self.mask = mask
            self.server.epoll.modify(self.sock, mask)

    def close(self):
        self.server.forget(self.sock)
        self.queue.clear()
        self.sock.close()


class Acceptor:
    def __init__(self, server, listening):
        self.server, self.listening = server, listening
        listening.setblocking(False)
        server.watch(listening, self, select.EPOLLIN)

    def ready(self, mask):
        for _ in range(64):
            try:
                sock, _ = self.listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            Client(self.server, sock)


class Server:
    def __init__(self, listening, respond):
        self.respond, self.epoll, self.handlers = respond, select.epoll(), {}
        Acceptor(self, listening)

    def watch(self, sock, handler, mask):
        self.handlers[sock.fileno()] = handler
        self.epoll.register(sock, mask)

    def forget(self, sock):
        self.epoll.unregister(sock)
        del self.handlers[sock.fileno()]

    def run(self):
        while True:
            for fd, mask in self.epoll.poll():
                self.handlers[fd].ready(mask)

    def close(self):
        for handler in list(self.handlers.values()):
            if isinstance(handler, Client):
                handler.close()
        self.epoll.close()


def serve(listening: socket.socket, respond):
    server = Server(listening, respond)
    try:
        server.run()
    finally:
        server.close()
