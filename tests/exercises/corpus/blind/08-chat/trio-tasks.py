# right
# RIGHT: trio, two tasks for each client (receiver; sender that sleeps in trio.Event until something is owed);
# the owed is an io.BytesIO-like pair of bytearrays; sends are tried in line before anything is queued.
import socket
import trio

LIMIT = 1 << 20


class Member:
    def __init__(self, sock):
        self.sock = sock
        self.out = bytearray()
        self.more = trio.Event()
        self.scope = trio.CancelScope()
        self.dead = False

    def hear(self, text):
        if self.dead:
            return
        try:
            if self.out:
                self.some()
            if self.out:
                if len(self.out) + len(text) > LIMIT:
                    return
                self.out += text
                return
            n = self.attempt(text)
            if n < len(text):
                self.out += text[n:]
                self.more.set()
        except OSError:
            self.kill()

    def attempt(self, data):
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def some(self):
        n = self.attempt(self.out)
        del self.out[:n]

    def kill(self):
        self.dead = True
        self.scope.cancel()

    async def sender(self):
        while True:
            await self.more.wait()
            self.more = trio.Event()
            while self.out:
                await trio.lowlevel.wait_writable(self.sock)
                try:
                    if self.out:
                        self.some()
                except OSError:
                    self.kill()
                    return


async def attend(sock, room):
    member = Member(sock)
    try:
        with member.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(member.sender)
                await listen(member, room)
                nursery.cancel_scope.cancel()
    finally:
        member.dead = True
        room.discard(member)
        trio.lowlevel.notify_closing(sock)
        sock.close()


async def listen(member, room):
    buffer = bytearray()
    name = None
    while True:
        await trio.lowlevel.wait_readable(member.sock)
        try:
            data = member.sock.recv(40_000)
        except BlockingIOError:
            continue
        except OSError:
            return
        if not data:
            return
        before = len(buffer)
        buffer += data
        end = buffer.find(b"\n", before)
        start = 0
        while end >= 0:
            line = bytes(buffer[start:end])
            start = end + 1
            end = buffer.find(b"\n", start)
            if name is None:
                name = line
                member.hear(b"welcome " + name + b"\n")
                room.add(member)
            else:
                text = name + b": " + line + b"\n"
                for other in room:
                    if other is not member:
                        other.hear(text)
        del buffer[:start]


async def main(listening):
    room = set()
    listening.setblocking(False)
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listening.fileno())
            try:
                sock, _ = listening.accept()
            except OSError:
                continue
            sock.setblocking(False)
            nursery.start_soon(attend, sock, room)


def chat(listening):
    trio.run(main, listening)
