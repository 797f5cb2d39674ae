# right
"""One thread, one selector. What a client's socket does not take now is kept in a bytearray of its own.

A client that owes its slowness to its own reading (it takes bytes, but not fast enough) slows the speakers
down; one that takes nothing at all is disconnected.
"""
import selectors
import socket
import time

CHUNK = 1 << 16
MUCH = 4 << 20              # more than this is not owed to anybody
PATIENCE = 0.05             # who took nothing for so long does not read

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Client:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.name = None
        self.pieces = bytearray()       # a line that has no end yet
        self.searched = 0
        self.owed = bytearray()
        self.eof = False
        self.took = time.monotonic()
        self.events = READ
        server.selector.register(sock, READ, self)

    def interest(self):
        events = 0
        if not self.eof and not self.server.paused:
            events |= READ
        if self.owed:
            events |= WRITE
        if events == self.events:
            return
        if not events:
            self.server.selector.unregister(self.sock)
        elif not self.events:
            self.server.selector.register(self.sock, events, self)
        else:
            self.server.selector.modify(self.sock, events, self)
        self.events = events

    def lines(self, data):
        self.pieces += data
        while True:
            end = self.pieces.find(b"\n", self.searched)
            if end < 0:
                self.searched = len(self.pieces)
                return
            line = bytes(self.pieces[:end])
            del self.pieces[:end + 1]
            self.searched = 0
            yield line

    def readable(self):
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.server.leave(self)
            return
        if not data:
            self.eof = True
            if self.owed:
                self.server.quiet(self)
                self.interest()
            else:
                self.server.leave(self)
            return
        said = []
        for line in self.lines(data):
            if self.name is None:
                if line:
                    self.name = line
                    self.server.named.add(self)
                    self.tell(b"welcome " + line + b"\n")
            else:
                said.append(b"%b: %b\n" % (self.name, line))
        if said:
            self.server.broadcast(self, b"".join(said))

    def tell(self, data):
        if not self.owed:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.server.leave(self)
                return
            if sent:
                self.took = time.monotonic()
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
        self.owed += data
        self.interest()

    def writable(self):
        try:
            sent = self.sock.send(self.owed)
        except BlockingIOError:
            return
        except OSError:
            self.server.leave(self)
            return
        del self.owed[:sent]
        self.took = time.monotonic()
        if not self.owed:
            if self.eof:
                self.server.leave(self)
            else:
                self.interest()


class Server:
    def __init__(self, listening):
        self.listening = listening
        self.selector = selectors.DefaultSelector()
        self.clients = set()
        self.named = set()
        self.paused = False

    def broadcast(self, speaker, data):
        for client in list(self.named):
            if client is not speaker:
                client.tell(data)

    def quiet(self, client):
        self.named.discard(client)

    def leave(self, client):
        if client not in self.clients:
            return
        self.clients.remove(client)
        self.named.discard(client)
        if client.events:
            self.selector.unregister(client.sock)
            client.events = 0
        client.sock.close()

    def look_at_the_slow(self):
        now = time.monotonic()
        pause = False
        for client in list(self.clients):
            if len(client.owed) > MUCH:
                if now - client.took > PATIENCE or len(client.owed) > 2 * MUCH:
                    self.leave(client)
                else:
                    pause = True
        if pause != self.paused:
            self.paused = pause
            for client in self.clients:
                client.interest()

    def accept(self):
        try:
            sock, _ = self.listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        sock.setblocking(False)
        self.clients.add(Client(self, sock))

    def run(self):
        self.listening.setblocking(False)
        self.selector.register(self.listening, READ, None)
        try:
            while True:
                for key, events in self.selector.select(PATIENCE if self.paused else None):
                    client = key.data
                    if client is None:
                        self.accept()
                        continue
                    if events & WRITE and client in self.clients:
                        client.writable()
                    if events & READ and client in self.clients:
                        client.readable()
                self.look_at_the_slow()
        finally:
            for client in list(self.clients):
                client.sock.close()
            self.selector.close()


def chat(listening):
    Server(listening).run()
