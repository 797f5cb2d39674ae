# lacks a frozen client: selectors; a deque of one memoryview per owed line; the bound counts the bytes of the lines, not the objects.
# WRONG: selectors; a deque of one memoryview per owed line; the bound counts the bytes of the lines, not the objects.
# Breaks "The memory grows by less than 16 MiB for each client that does not read, however short the lines are": 1 MiB of
# empty lines (`a: \n`) are 262,144 objects of about 200 bytes each: more than 50 MiB.
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
                with memoryview(block) as view, view[peer.offset:] as part:
                    n = peer.sock.send(part)
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
            drop(peer)
            return
        peer.owed += len(text)
        peer.queue.append(memoryview(text))
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
