# lacks those who leave: keeps a client that closed its sending half, and with it every silent one that left (the text was silent on it when this was written, and its author called it right)
import collections
import select


def lines_of(sock):
    """Yields lines, "wait" where it has none, and "end"."""
    parts = []
    while True:
        try:
            data = sock.recv(8192)
        except BlockingIOError:
            yield "wait"
            continue
        except OSError:
            yield "reset"
            return
        if not data:
            yield "end"
            return
        pieces = data.split(b"\n")
        for piece in pieces[:-1]:
            parts.append(piece)
            yield b"".join(parts)
            parts = []
        parts.append(pieces[-1])
        yield "wait"


class Box:
    """What is owed: blocks of whole lines, some of a few bytes joined."""

    def __init__(self, sock):
        self.sock, self.blocks, self.size = sock, collections.deque(), 0

    def put(self, data):
        if self.blocks and len(self.blocks[-1]) < 4096:
            self.blocks[-1] = bytes(self.blocks[-1]) + data
        else:
            self.blocks.append(data)
        self.size += len(data)

    def push(self):
        while self.blocks:
            n = self.sock.send(self.blocks[0])
            self.size -= n
            if n < len(self.blocks[0]):
                self.blocks[0] = self.blocks[0][n:]
            else:
                self.blocks.popleft()


class Room:
    def __init__(self, listening):
        self.listening, self.poll = listening, select.poll()
        self.people = {}                     # fd -> [sock, generator, box, task, deaf?]
        self.active = collections.deque()    # (fd, task)

    def person(self, fd, sock):
        source, box, name = lines_of(sock), self.people[fd][2], None
        block, size = [], 0
        for line in source:
            if line in ("wait", "end", "reset"):
                if block:
                    self.tell(fd, b"".join(block))
                    block, size = [], 0
                if line == "reset" or line == "end" and name is None:
                    return
                if line == "end":
                    yield "deaf-mute"        # it hears on, and says nothing more
                    return
                yield "wait"
            elif name is None:
                if not line:
                    return
                name = line
                self.people[fd][4] = True
                self.owe(fd, b"welcome " + name + b"\n")
            else:
                block.append(name + b": " + line + b"\n")
                size += len(block[-1])
                if size > 30_000:
                    self.tell(fd, b"".join(block))
                    block, size = [], 0
                    yield "turn"

    def tell(self, speaker, data):
        for fd in [fd for fd, p in self.people.items() if p[4] and fd != speaker]:
            self.owe(fd, data)

    def owe(self, fd, data):
        box = self.people[fd][2]
        idle = not box.blocks
        box.put(data)
        if idle:
            self.push(fd)
        elif box.size > 1_500_000:
            self.bye(fd)

    def push(self, fd):
        box = self.people[fd][2]
        try:
            box.push()
        except BlockingIOError:
            if box.size > 1_500_000:
                return self.bye(fd)
        except OSError:
            return self.bye(fd)
        self.arm(fd)

    def arm(self, fd):
        _, state, box, _, _ = self.people[fd]
        mask = (select.POLLIN if state == "wait" else 0) | (select.POLLOUT if box.blocks else 0)
        if mask:
            self.poll.register(fd, mask)
        elif self.people[fd][1] == "deaf-mute":
            try:
                self.poll.unregister(fd)
            except KeyError:
                pass
        else:
            self.poll.register(fd, 0)

    def bye(self, fd):
        sock = self.people.pop(fd)[0]
        try:
            self.poll.unregister(fd)
        except KeyError:
            pass
        sock.close()

    def step(self, fd, task):
        person = self.people.get(fd)
        if person is None or person[3] is not task:
            return
        state = next(task, "gone")
        person = self.people.get(fd)
        if person is None or person[3] is not task:
            return
        if state == "gone":
            return self.bye(fd)
        person[1] = state
        if state == "turn":
            self.active.append((fd, task))
        elif state == "deaf-mute":
            silent = [f for f, p in self.people.items() if p[1] == "deaf-mute"]
            if len(silent) > 300:
                self.bye(silent[0])
            if fd not in self.people:
                return
        self.arm(fd)

    def run(self):
        self.listening.setblocking(False)
        door = self.listening.fileno()
        self.poll.register(door, select.POLLIN)
        try:
            while True:
                for fd, events in self.poll.poll(0 if self.active else None):
                    if fd == door:
                        try:
                            sock, _ = self.listening.accept()
                        except OSError:
                            continue
                        sock.setblocking(False)
                        new = sock.fileno()
                        self.people[new] = [sock, "wait", Box(sock), None, False]
                        self.people[new][3] = self.person(new, sock)
                        self.arm(new)
                        continue
                    if events & select.POLLOUT and fd in self.people:
                        self.push(fd)
                    if fd in self.people and events & ~select.POLLOUT:
                        if self.people[fd][1] == "wait":
                            self.step(fd, self.people[fd][3])
                        elif events & (select.POLLERR | select.POLLHUP) and \
                                self.people[fd][1] == "deaf-mute":
                            self.bye(fd)
                for _ in range(len(self.active)):
                    self.step(*self.active.popleft())
        finally:
            for person in self.people.values():
                person[0].close()


def chat(listening):
    Room(listening).run()
