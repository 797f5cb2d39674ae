# lacks everybody hears: 'at most 256 KiB (262,144 bytes) before the line feed' ('Each later line goes to all other clients'): the length is checked before lines are taken out: a long line (within the bound) whose end arrives in one piece with the next lines is taken for too long, and its client is thrown out
import collections
import selectors

LIMIT = 1 << 20
TURN = 1 << 18
LONGEST = 262144


class Client:
    def __init__(self, chat, sock):
        self.chat = chat
        self.sock = sock
        self.name = None
        self.inbox = bytearray()
        self.scanned = 0
        self.out = bytearray()
        self.over = False  # nothing more to receive
        self.broken = False  # nothing more to send
        self.busy = False
        self.mask = selectors.EVENT_READ
        chat.selector.register(sock, self.mask, self)

    def watch(self):
        mask = 0 if self.over else selectors.EVENT_READ
        if self.out:
            mask |= selectors.EVENT_WRITE
        if mask == self.mask:
            return
        if not mask:
            self.chat.selector.unregister(self.sock)
        elif not self.mask:
            self.chat.selector.register(self.sock, mask, self)
        else:
            self.chat.selector.modify(self.sock, mask, self)
        self.mask = mask

    def receive(self):
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
            self.broken = True
            self.out.clear()
        self.inbox += data
        if len(self.inbox) > LONGEST + 1:  # with its line feed
            self.inbox.clear()
            self.scanned = 0
            data = b""
        if not data:
            self.over = True
            self.watch()
        self.busy = True
        self.chat.busy.append(self)

    def turn(self):
        """Pass on some of the lines that are here."""
        lines, size = [], 0
        start = 0
        while size < TURN and len(lines) < 2000:
            end = self.inbox.find(b"\n", max(start, self.scanned))
            if end < 0:
                self.scanned = len(self.inbox)
                break
            line = bytes(self.inbox[start : end + 1])
            start = self.scanned = end + 1
            if self.name is None:
                self.name = line[:-1]
                self.deliver([b"welcome " + line])
                self.chat.room[self] = None
            else:
                lines.append(self.name + b": " + line)
                size += len(lines[-1])
        else:
            end = 0
        del self.inbox[:start]
        self.scanned -= start
        if lines:
            self.chat.pass_on(self, lines)
        if end >= 0:
            self.chat.busy.append(self)
            return
        self.busy = False
        if self.over:
            self.leave()

    def deliver(self, lines, joined=None):
        if self.broken:
            return
        data = b"".join(lines) if joined is None else joined
        if not self.out:
            taken = self.send(data)
            if taken < len(data):  # a turn is less than LIMIT: 256 KiB and one line of at most 512 KiB
                self.out += memoryview(data)[taken:]
        elif len(self.out) + len(data) <= LIMIT:
            self.out += data
        else:
            for line in lines:
                if len(self.out) + len(line) <= LIMIT:
                    self.out += line
        self.watch()

    def send(self, data):
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.broken = True
            self.out.clear()
            return len(data)

    def flush(self):
        taken = self.send(self.out)
        if not self.broken:
            del self.out[:taken]
        self.watch()
        if self.over and not self.busy and not self.out:
            self.close()

    def leave(self):
        self.chat.room.pop(self, None)
        if not self.out:
            self.close()

    def close(self):
        if self.mask:
            self.chat.selector.unregister(self.sock)
            self.mask = 0
        self.sock.close()


class Chat:
    def __init__(self, listening):
        self.listening = listening
        self.selector = selectors.DefaultSelector()
        self.room = {}
        self.busy = collections.deque()

    def pass_on(self, speaker, lines):
        joined = b"".join(lines)
        for client in list(self.room):
            if client is not speaker:
                client.deliver(lines, joined)

    def accept(self):
        try:
            connection, _ = self.listening.accept()
        except OSError:
            return
        connection.setblocking(False)
        Client(self, connection)

    def serve(self):
        self.listening.setblocking(False)
        self.selector.register(self.listening, selectors.EVENT_READ)
        while True:
            for key, events in self.selector.select(0 if self.busy else None):
                client = key.data
                if client is None:
                    self.accept()
                    continue
                if events & selectors.EVENT_WRITE and client.out:
                    client.flush()
                if events & selectors.EVENT_READ and not client.busy and not client.over:
                    client.receive()
            for _ in range(len(self.busy)):
                self.busy.popleft().turn()


def chat(listening):
    Chat(listening).serve()
