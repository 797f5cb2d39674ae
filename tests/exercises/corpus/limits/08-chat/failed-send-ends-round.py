# lacks everybody hears: trio; one try around the whole round of sends: the first OSError of a send ends the passing on of that line.
# WRONG: trio; one try around the whole round of sends: the first OSError of a send ends the passing on of that line.
# Breaks "Whoever has been welcomed hears all later lines": where one client has reset its connection just before, those that come
# after it in the room miss one line.
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
        finally:
            pass

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
        room.pop(member, None)
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
                room[member] = name
                try:
                    member.hear(b"welcome " + name + b"\n")
                except OSError:
                    return
            else:
                text = name + b": " + line + b"\n"
                other = None
                try:
                    for other in room:
                        if other is not member:
                            other.hear(text)
                except OSError:
                    other.kill()
        del buffer[:start]


async def main(listening):
    room = {}
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
