# right
import asyncio


class Member(asyncio.Protocol):
    def __init__(self, room):
        self.room, self.name = room, None
        self.buffer, self.scanned = bytearray(), 0
        self.busy = self.finished = False

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=1 << 30)

    def data_received(self, data):
        self.buffer += data
        if not self.busy:
            self.work()

    def work(self):
        self.busy = False
        if self.transport.is_closing() and not self.finished:
            return
        pieces, total, start = [], 0, 0
        while (end := self.buffer.find(b"\n", max(start, self.scanned))) >= 0:
            line = bytes(self.buffer[start:end + 1])
            start = end + 1
            if self.name is None:
                self.name = line[:-1]
                if not self.name:
                    return self.transport.abort()
                self.write(b"welcome " + line)
                self.room.add(self)
            else:
                pieces.append(self.name + b": " + line)
                total += len(pieces[-1])
                if total > 65536:
                    self.busy = True
                    break
        del self.buffer[:start]
        self.scanned = 0 if self.busy else len(self.buffer)
        if pieces:
            data = b"".join(pieces)
            for member in tuple(self.room):
                if member is not self:
                    member.write(data)
        if self.busy:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self.work)
        elif self.finished:
            self.leave()
        elif len(self.buffer) > 1 << 19:
            self.transport.abort()
        else:
            self.transport.resume_reading()

    def write(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)
            if self.transport.get_write_buffer_size() > 1_400_000:
                self.room.discard(self)
                self.transport.abort()

    def eof_received(self):
        self.finished = True
        if not self.busy:
            self.leave()
        return True

    def leave(self):
        self.room.discard(self)
        self.transport.close()        # after what is owed

    def connection_lost(self, error):
        self.room.discard(self)
        if self.busy:
            self.finished = True      # what it said before is still passed on


async def serve(listening):
    room = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Member(room), sock=listening)
    await server.serve_forever()


def chat(listening):
    listening.setblocking(False)
    asyncio.run(serve(listening))
