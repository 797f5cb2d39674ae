# lacks everybody hears: stops receiving from a client while it owes it more than 64 KiB, so a frozen client is not heard; breaks "A client that stops reading still hears, and is still heard, while no more than 1 MiB is owed to it"
import selectors
import socket

R, W = selectors.EVENT_READ, selectors.EVENT_WRITE
FULL = 1_800_000


class Chat:
    """Who is owed too much stays, and misses whole lines until it has read again."""

    def __init__(self, listening):
        self.listening = listening
        self.selector = selectors.DefaultSelector()
        self.people = {}      # socket -> state
        self.busy = {}

    def run(self):
        self.listening.setblocking(False)
        self.selector.register(self.listening, R, self.welcome)
        try:
            while True:
                for key, events in self.selector.select(0 if self.busy else None):
                    if key.data == self.welcome:
                        self.welcome()
                    else:
                        if events & W and key.fileobj in self.people:
                            self.write(key.fileobj)
                        if events & R and key.fileobj in self.people:
                            self.read(key.fileobj)
                busy, self.busy = self.busy, {}
                for sock in busy:
                    if sock in self.people:
                        self.lines(sock)
        finally:
            self.selector.close()
            for sock in self.people:
                sock.close()

    def welcome(self):
        try:
            sock, _ = self.listening.accept()
        except OSError:
            return
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.people[sock] = {"name": None, "in": [], "ready": [], "out": bytearray(),
                             "over": False, "mask": R}
        self.selector.register(sock, R)

    def read(self, sock):
        person = self.people[sock]
        try:
            data = sock.recv(16384)
        except BlockingIOError:
            return
        except OSError:
            return self.end(sock)
        if not data:
            person["over"] = True
            return self.settle(sock)
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = b"".join(person["in"]) + whole[0]
            person["in"] = []
            person["ready"] = whole[::-1]
        if rest:
            person["in"].append(rest)
        if person["ready"]:
            self.lines(sock)

    def lines(self, sock):
        person = self.people[sock]
        if person["name"] is None:
            person["name"] = person["ready"].pop()
            if not person["name"]:
                return self.end(sock)
            self.owe(sock, b"welcome " + person["name"] + b"\n", True)
        batch, size = [], 0
        while person["ready"] and size < 50_000:
            batch.append(b"%s: %s\n" % (person["name"], person["ready"].pop()))
            size += len(batch[-1])
        if batch:
            batch = b"".join(batch)
            for other in list(self.people):
                state = self.people[other]
                if other is not sock and state["name"] is not None and not state["over"]:
                    self.owe(other, batch)
        if sock in self.people:
            if person["ready"]:
                self.busy[sock] = True
            self.settle(sock)

    def owe(self, sock, data, always=False):
        out = self.people[sock]["out"]
        if out and len(out) + len(data) > FULL and not always:
            return                      # it misses these lines, as a whole
        out += data
        if len(out) == len(data):
            self.write(sock)
        else:
            self.settle(sock)

    def write(self, sock):
        out = self.people[sock]["out"]
        try:
            while out:
                del out[:sock.send(out)]
        except BlockingIOError:
            pass
        except OSError:
            return self.end(sock)
        self.settle(sock)

    def settle(self, sock):
        person = self.people[sock]
        if person["over"] and not person["out"] and not person["ready"]:
            return self.end(sock)
        mask = 0 if person["over"] or person["ready"] or len(person["out"]) > 65536 else R
        if person["out"]:
            mask |= W
        if mask == person["mask"]:
            return
        if not mask:
            self.selector.unregister(sock)
        elif not person["mask"]:
            self.selector.register(sock, mask)
        else:
            self.selector.modify(sock, mask)
        person["mask"] = mask

    def end(self, sock):
        if self.people.pop(sock, None) is not None:
            try:
                self.selector.unregister(sock)
            except KeyError:
                pass
            sock.close()


def chat(listening):
    Chat(listening).run()
