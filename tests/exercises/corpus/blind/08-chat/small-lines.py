# lacks a frozen client: owes each client a deque of (buffer, offset) entries for each line, so a frozen client that is owed less than 1 MiB of lines of 4 bytes costs far more than 16 MiB; breaks "The memory grows by less than 16 MiB for each such client"
import collections
import selectors

R, W = selectors.EVENT_READ, selectors.EVENT_WRITE


class Client:
    def __init__(self, sock):
        self.sock, self.name = sock, None
        self.text = bytearray()
        self.queue, self.owed, self.mask = collections.deque(), 0, R


def chat(listening):
    selector = selectors.DefaultSelector()
    clients = set()

    def drop(client):
        if client in clients:
            clients.discard(client)
            selector.unregister(client.sock)
            client.sock.close()

    def flush(client):
        try:
            while client.queue:
                data, offset = client.queue[0]
                n = client.sock.send(data[offset:])
                client.owed -= n
                if offset + n == len(data):
                    client.queue.popleft()
                else:
                    client.queue[0] = data, offset + n
        except BlockingIOError:
            pass
        except OSError:
            return drop(client)
        mask = R | W if client.queue else R
        if mask != client.mask:
            client.mask = mask
            selector.modify(client.sock, mask, client)

    def put(client, data):
        client.queue.append((memoryview(data), 0))
        client.owed += len(data)
        if client.owed > 1_300_000:
            drop(client)
        elif len(client.queue) == 1:
            flush(client)

    def read(client):
        try:
            data = client.sock.recv(8192)
        except BlockingIOError:
            return
        except OSError:
            return drop(client)
        if not data:
            return drop(client)
        client.text += data
        if b"\n" not in data:
            return
        *lines, rest = bytes(client.text).split(b"\n")
        client.text = bytearray(rest)
        for line in lines:
            if client.name is None:
                if not line:
                    return drop(client)
                client.name = line
                put(client, b"welcome " + line + b"\n")
            else:
                message = client.name + b": " + line + b"\n"
                for other in list(clients):
                    if other is not client and other.name is not None:
                        put(other, message)

    listening.setblocking(False)
    selector.register(listening, R)
    try:
        while True:
            for key, events in selector.select():
                client = key.data
                if client is None:
                    try:
                        sock, _ = listening.accept()
                    except OSError:
                        continue
                    sock.setblocking(False)
                    client = Client(sock)
                    clients.add(client)
                    selector.register(sock, R, client)
                else:
                    if events & W and client in clients:
                        flush(client)
                    if events & R and client in clients:
                        read(client)
    finally:
        for client in clients:
            client.sock.close()
        selector.close()
