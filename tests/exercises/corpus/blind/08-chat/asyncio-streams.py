# lacks those who leave: a reset makes asyncio's StreamReader forget lines that it holds, and this one gives others turns before it has read them all (its author called it right)
"""asyncio's streams, a writer task for each client."""
from __future__ import annotations
import asyncio
from typing import Optional

MAX_OWED = 4 * 2 ** 20


class Outbox:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.buffer = bytearray()
        self.more = asyncio.Event()
        self.closing = False
        self.dead = False
        writer.transport.set_write_buffer_limits(high=0)

    def put(self, line: bytes) -> None:
        if self.dead or self.closing:
            return
        self.buffer += line
        if len(self.buffer) > MAX_OWED:
            self.kill()
        else:
            self.more.set()

    def kill(self) -> None:
        self.dead = True
        self.buffer.clear()
        self.more.set()
        self.writer.transport.abort()

    async def pump(self) -> None:
        try:
            while not self.dead:
                await self.more.wait()
                self.more.clear()
                while self.buffer:
                    part = bytes(memoryview(self.buffer)[:1 << 17])
                    del self.buffer[:1 << 17]
                    self.writer.write(part)
                    await self.writer.drain()
                if self.closing:
                    return
        except OSError:
            self.dead = True


def chat(listening) -> None:
    people: dict[object, Outbox] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = object()
        box = Outbox(writer)
        pump = asyncio.create_task(box.pump())
        name: Optional[bytes] = None
        try:
            while True:
                try:
                    line = await reader.readuntil(b"\n")
                except asyncio.IncompleteReadError:
                    break                               # its last words have no end: forget them
                line = line[:-1]
                if name is None:
                    if not line:
                        continue
                    name = line
                    box.put(b"welcome " + name + b"\n")
                    people[me] = box
                else:
                    for other, outbox in people.items():
                        if other is not me:
                            outbox.put(name + b": " + line + b"\n")
                    await asyncio.sleep(0)              # the others speak too
        except (OSError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            people.pop(me, None)
            box.closing = True
            box.more.set()
            try:
                await pump
            finally:
                writer.close()

    async def main() -> None:
        server = await asyncio.start_server(talk, sock=listening, limit=2 ** 20)
        await server.serve_forever()

    asyncio.run(main())
