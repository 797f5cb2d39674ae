# lacks CPU per message: selectors; what is owed is one bytes object, `owed = owed[n:] + text`, and `send(owed[n:])`.
# WRONG: selectors; what is owed is one bytes object, `owed = owed[n:] + text`, and `send(owed[n:])`.
# Breaks "To pass a short line on ... may cost 10 times the CPU that it costs in the course's own chat, whether all of them read, or 20
# do not and are owed up to 1 MiB each" ("copies nothing of what is owed already"): each line copies up to 1 MiB for each of the 20.
import collections
import selectors

LIMIT = 1024 * 1024


class Peer:
    __slots__ = ("sock", "queue", "offset", "owed", "parser", "alive", "writing")

    def __init__(self, sock):
        self.sock = sock
        self.queue = collections.deque()
        self.offset = 0
        self.owed = 0
        self.alive = True
        self.writing = False


def chat(listening):
    selector = selectors.DefaultSelector()
    welcomed = set()

    def parser(peer):
        held = []
        name = None
        while True:
            data = yield
            start = 0
            while (end := data.find(b"\n", start)) >= 0:
                held.append(data[start:end])
                line = b"".join(held)
                held.clear()
                start = end + 1
                if name is None:
                    name = line
                    say(peer, b"welcome %b\n" % name)
                    if peer.alive:
                        welcomed.add(peer)
                else:
                    text = b"%b: %b\n" % (name, line)
                    for other in tuple(welcomed):
                        if other is not peer and other.alive:
                            say(other, text)
            if start < len(data):
                held.append(data[start:])
                if len(held) > 64:              # one byte at a time: keep few objects
                    held[:] = [b"".join(held)]

    def push(peer):
        """send until the kernel takes no more; False where it failed"""
        try:
            while peer.queue:
                block = peer.queue[0]
                n = peer.sock.send(block[peer.offset:])
                peer.owed -= n
                peer.offset += n
                if peer.offset == len(block):
                    peer.queue.popleft()
                    peer.offset = 0
        except BlockingIOError:
            pass
        except OSError:
            drop(peer)
            return False
        want = bool(peer.queue)
        if want != peer.writing:
            peer.writing = want
            selector.modify(peer.sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if want else 0), peer)
        return True

    def say(peer, text):
        if peer.queue and not push(peer):
            return
        if peer.owed + len(text) > LIMIT and peer.queue:
            return
        peer.owed += len(text)
        if peer.queue:
            peer.queue[0] = peer.queue[0][peer.offset:] + text
            peer.offset = 0
        else:
            peer.queue.append(text)
        if not peer.writing:
            push(peer)

    def drop(peer):
        if peer.alive:
            peer.alive = False
            welcomed.discard(peer)
            selector.unregister(peer.sock)
            peer.sock.close()
            peer.queue.clear()

    def enter():
        try:
            sock = listening.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        peer = Peer(sock)
        peer.parser = parser(peer)
        next(peer.parser)
        selector.register(sock, selectors.EVENT_READ, peer)

    listening.setblocking(False)
    selector.register(listening.fileno(), selectors.EVENT_READ, None)
    while True:
        for key, mask in selector.select():
            peer = key.data
            if peer is None:
                enter()
                continue
            if mask & selectors.EVENT_WRITE and peer.alive:
                push(peer)
            if mask & selectors.EVENT_READ and peer.alive:
                try:
                    data = peer.sock.recv(50_000)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if data:
                    peer.parser.send(data)
                else:
                    drop(peer)
