# right: asyncio's add_reader and add_writer, callbacks; the rest of a speaker's lines by call_soon
import asyncio

MIB = 1 << 20


class Member:
    def __init__(self, room, connection):
        self.room, self.connection = room, connection
        self.fd = connection.fileno()
        self.loop = room.loop
        self.name = None
        self.parts = []  # of a line that has not ended yet
        self.lines = []  # whole ones, last first
        self.owed = bytearray()
        self.writing = self.ended = self.deaf = False
        self.loop.add_reader(self.fd, self.on_readable)

    def on_readable(self):
        try:
            data = self.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
            self.be_deaf()
        self.loop.remove_reader(self.fd)
        if not data:
            self.ended = True
            self.room.members.discard(self)
            self.close_if_done()
            return
        first, *more = data.split(b"\n")
        self.parts.append(first)
        if more:
            self.lines = [b"".join(self.parts), *more]
            self.parts = [self.lines.pop()]
            self.lines.reverse()
        self.work()

    def work(self):
        if self.lines and self.name is None:
            self.name = self.lines.pop()
            self.hear([b"welcome %b\n" % self.name])
            self.room.members.add(self)
        batch, size = [], 0
        while self.lines and size < 131072:
            batch.append(b"%b: %b\n" % (self.name, self.lines.pop()))
            size += len(batch[-1])
        if batch:
            data = b"".join(batch)
            for member in self.room.members:
                if member is not self:
                    member.hear(batch, data)
        if self.lines:
            self.loop.call_soon(self.work)
        else:
            self.loop.add_reader(self.fd, self.on_readable)

    def hear(self, batch, data=None):
        if self.deaf:
            return
        if data is None:
            data = b"".join(batch)
        if not self.owed:
            self.owed += memoryview(data)[self.push(data):]
            if self.owed and not self.writing:
                self.loop.add_writer(self.fd, self.on_writable)
                self.writing = True
        elif len(self.owed) + len(data) <= MIB:
            self.owed += data
        else:
            for line in batch:
                if len(self.owed) + len(line) <= MIB:
                    self.owed += line

    def push(self, data):
        try:
            return self.connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.be_deaf()
            return len(data)

    def be_deaf(self):
        self.deaf = True
        self.owed.clear()
        self.no_writer()

    def no_writer(self):
        if self.writing:
            self.loop.remove_writer(self.fd)
            self.writing = False

    def on_writable(self):
        taken = self.push(self.owed)
        del self.owed[:taken]
        if not self.owed:
            self.no_writer()
        self.close_if_done()

    def close_if_done(self):
        if self.ended and not self.owed:
            self.no_writer()
            self.connection.close()


class Room:
    def __init__(self, loop, listening):
        self.loop, self.listening = loop, listening
        self.members = set()

    def on_connection(self):
        try:
            connection, _ = self.listening.accept()
        except OSError:
            return
        connection.setblocking(False)
        Member(self, connection)


def chat(listening):
    listening.setblocking(False)
    loop = asyncio.new_event_loop()
    room = Room(loop, listening)
    loop.add_reader(listening.fileno(), room.on_connection)
    try:
        loop.run_forever()
    finally:
        loop.close()
