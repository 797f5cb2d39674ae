# lacks the model: "registered with one epoll, and not with a second one inside of it": from the 49th client on there are inner ones
import select


class Shard:
    """A part of the clients; a big epoll would have a long list."""
    SIZE = 48

    def __init__(self, ep):
        self.ep = ep
        self.clients = {}

    def add(self, sock):
        self.clients[sock.fileno()] = [sock, None]
        self.ep.register(sock, select.EPOLLIN)

    def drop(self, fd):
        self.ep.unregister(fd)
        self.clients.pop(fd)[0].close()

    def handle(self, fd, respond):
        client = self.clients[fd]
        sock, rest = client
        try:
            if rest is None:
                data = sock.recv(16384)
                if not data:
                    self.drop(fd)
                    return
                rest = client[1] = memoryview(respond(data))
                first = True
            else:
                first = False
            try:
                rest = rest[sock.send(rest):]
            except BlockingIOError:
                pass
            client[1] = rest if rest else None
            if rest and first:
                self.ep.modify(fd, select.EPOLLOUT)
            elif not rest and not first:
                self.ep.modify(fd, select.EPOLLIN)
        except BlockingIOError:
            pass
        except OSError:
            self.drop(fd)


def serve(listening, respond):
    listening.setblocking(False)
    root = Shard(select.epoll())
    root.ep.register(listening, select.EPOLLIN)
    shards = [root]
    inner = {}

    def shard_with_room():
        for shard in shards:
            if len(shard.clients) < Shard.SIZE:
                return shard
        shard = Shard(select.epoll())
        root.ep.register(shard.ep, select.EPOLLIN)
        inner[shard.ep.fileno()] = shard
        shards.append(shard)
        return shard

    while True:
        for fd, _ in root.ep.poll():
            if fd == listening.fileno():
                try:
                    sock, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                sock.setblocking(False)
                try:
                    shard_with_room().add(sock)
                except OSError:         # no descriptor for a new shard
                    sock.close()
            elif fd in inner:
                for number, _ in inner[fd].ep.poll(0):
                    inner[fd].handle(number, respond)
            else:
                root.handle(fd, respond)
        # empty ones are not needed any more
        for fd, shard in list(inner.items()):
            if not shard.clients:
                root.ep.unregister(fd)
                shard.ep.close()
                shards.remove(shard)
                del inner[fd]
