# lacks idle while it owes: idle while it owes: EPOLLRDHUP stays asked for, so a client that half-closes and does not read keeps the loop spinning
import select


class Client:
    def __init__(self, sock):
        self.sock = sock
        self.out = bytearray()
        self.leaving = False
        self.mask = 0


def serve(listening, respond):
    epoll = select.epoll()
    listening.setblocking(False)
    epoll.register(listening.fileno(), select.EPOLLIN)
    clients = {}

    def update(client):
        # EPOLLRDHUP: we like to know when somebody leaves
        mask = (select.EPOLLOUT if client.out else select.EPOLLIN) | select.EPOLLRDHUP
        if mask != client.mask:
            if client.mask:
                epoll.modify(client.sock, mask)
            else:
                epoll.register(client.sock, mask)
            client.mask = mask

    def drop(client):
        fd = client.sock.fileno()
        epoll.unregister(fd)
        del clients[fd]
        client.sock.close()

    def on_client(client, event):
        if event & select.EPOLLRDHUP:
            client.leaving = True
        if not client.out:
            data = client.sock.recv(16384)
            if not data:
                return drop(client)
            client.out += respond(data)
        if client.out:
            n = client.sock.send(client.out)
            del client.out[:n]
        update(client)

    try:
        while True:
            for fd, event in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    clients[sock.fileno()] = client = Client(sock)
                    update(client)
                    continue
                client = clients[fd]
                try:
                    on_client(client, event)
                except BlockingIOError:
                    update(client)
                except OSError:
                    drop(client)
    finally:
        epoll.close()
        for client in clients.values():
            client.sock.close()
