# lacks a clean end: selectors; at Stopped, everybody is first sent what is owed, with blocking sockets and a timeout of 5 s.
# WRONG: selectors; at Stopped, everybody is first sent what is owed, with blocking sockets and a timeout of 5 s.
# Breaks "`Stopped` ends it within a second and without an error, whatever clients there are": with one client that does not
# read, chat() ends 5 s later.
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
            return
        peer.owed += len(text)
        if len(peer.queue) > 1 and len(peer.queue[-1]) < 4096:
            peer.queue[-1] += text
        else:
            peer.queue.append(bytearray(text))
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

    def work():
        while True:
            for key, mask in selector.select():
                serve(key.data, mask)

    def serve(peer, mask):
        if peer is None:
            enter()
            return
        if mask & selectors.EVENT_WRITE and peer.alive:
            push(peer)
        if mask & selectors.EVENT_READ and peer.alive:
            try:
                data = peer.sock.recv(50_000)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                peer.parser.send(data)
            else:
                drop(peer)

    listening.setblocking(False)
    selector.register(listening.fileno(), selectors.EVENT_READ, None)
    try:
        work()
    finally:
        for key in list(selector.get_map().values()):
            peer = key.data
            if peer is not None:
                try:
                    peer.sock.settimeout(5)
                    for block in peer.queue:
                        peer.sock.sendall(memoryview(block)[peer.offset:])
                        peer.offset = 0
                except OSError:
                    pass
                peer.sock.close()
