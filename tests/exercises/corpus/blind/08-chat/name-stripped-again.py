# lacks everybody hears: asyncio BufferedProtocol; blanks and carriage returns around a name (not around lines) are stripped.
# WRONG: asyncio BufferedProtocol; blanks and carriage returns around a name (not around lines) are stripped.
# Breaks "All before the line feed belongs to it, blanks and carriage returns too" / "A name is the first line, and like any
# other line": the client `a ` is welcomed as `a`, and its lines begin with `a: `.
import asyncio
import socket

LIMIT = 1 << 20


class Talker(asyncio.BufferedProtocol):
    def __init__(self, room, sock):
        self.room = room
        self.sock = sock
        self.twin = None
        self.name = None
        self.buffer = bytearray(65536)
        self.partial = bytearray()
        self.out = bytearray()
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.room.everyone.add(self)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, n):
        with memoryview(self.buffer) as view:
            data = bytes(view[:n])
        start = 0
        while True:
            end = data.find(b"\n", start)
            if end < 0:
                self.partial += data[start:]
                break
            line = bytes(self.partial) + data[start:end]
            self.partial.clear()
            start = end + 1
            self.said(line)

    def said(self, line):
        if self.name is None:
            self.name = line.strip()
            self.hear(b"welcome " + self.name + b"\n")
            if not self.lost:
                self.room.members.append(self)
        else:
            text = b"".join((self.name, b": ", line, b"\n"))
            for member in self.room.members[:]:
                if member is not self:
                    member.hear(text)

    def hear(self, text):
        if self.lost:
            return
        if self.out:
            self.drain()
            if self.lost:
                return
            if self.out:
                if len(self.out) + len(text) <= LIMIT:
                    self.out += text
                return
        try:
            sent = self.sock.send(text)
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.leave()
        if sent != len(text):
            self.out += text[sent:]
            self.twin = self.sock.dup()
            self.loop.add_writer(self.twin.fileno(), self.drain)

    def drain(self):
        try:
            del self.out[:self.sock.send(self.out)]
        except BlockingIOError:
            return
        except OSError:
            return self.leave()
        if not self.out:
            self.no_twin()

    def no_twin(self):
        if self.twin is not None:
            self.loop.remove_writer(self.twin.fileno())
            self.twin.close()
            self.twin = None

    def eof_received(self):
        self.leave()

    def connection_lost(self, exc):
        self.leave()

    def leave(self):
        if self.lost:
            return
        self.lost = True
        if self in self.room.members:
            self.room.members.remove(self)
        self.room.everyone.discard(self)
        self.no_twin()
        self.transport.abort()


class Room:
    def __init__(self):
        self.members = []
        self.everyone = set()


async def main(listening):
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    room = Room()

    def acceptable():
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        except SystemExit as stopped:
            loop.remove_reader(listening.fileno())
            over.set_result(stopped)
            return
        sock.setblocking(False)
        task = loop.create_task(loop.connect_accepted_socket(lambda: Talker(room, sock), sock))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    tasks = set()
    listening.setblocking(False)
    loop.add_reader(listening.fileno(), acceptable)
    stopped = await over
    for talker in list(room.everyone):
        talker.leave()
    raise stopped


def chat(listening):
    asyncio.run(main(listening))
