# right
import asyncio

LIMIT = 8 * 1024 * 1024


class Member(asyncio.Protocol):
    """The transport holds little; what it does not take is kept here, and is bounded."""

    def __init__(self, room: set):
        self.room = room
        self.name = None
        self.partial = []
        self.waiting = bytearray()
        self.paused = False
        self.leaving = False

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=0)

    def data_received(self, data):
        *lines, last = data.split(b"\n")
        if lines:
            lines[0] = b"".join(self.partial) + lines[0]
            self.partial = []
        if last:
            self.partial.append(last)
            if len(self.partial) > 1000:                    # many small pieces
                self.partial = [b"".join(self.partial)]
        for line in lines:
            self.line(line)

    def line(self, line):
        if self.name is not None:
            message = self.name + b": " + line + b"\n"
            for member in tuple(self.room):
                if member is not self:
                    member.tell(message)
        elif line:
            self.name = line
            self.tell(b"welcome " + line + b"\n")
            self.room.add(self)

    def tell(self, message):
        if self.paused:
            self.waiting += message
            if len(self.waiting) > LIMIT:
                self.room.discard(self)
                self.waiting.clear()
                self.transport.abort()
        else:
            self.transport.write(message)

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        while self.waiting and not self.paused:
            piece = bytes(self.waiting[:131072])
            del self.waiting[:131072]
            self.transport.write(piece)
        if self.leaving and not self.paused:
            self.transport.close()

    def eof_received(self):
        self.room.discard(self)
        self.leaving = True
        return bool(self.waiting)           # True keeps the transport open until all is written

    def connection_lost(self, error):
        self.room.discard(self)
        self.waiting.clear()
        self.partial.clear()


def chat(listening):
    async def main():
        room = set()
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        server = await loop.create_server(lambda: Member(room), sock=listening)
        async with server:
            await server.serve_forever()

    asyncio.run(main())
