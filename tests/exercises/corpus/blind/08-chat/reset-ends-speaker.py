# lacks everybody hears: an OSError of a hearer's socket comes up in the task of the one that speaks, and ends that one's connection, and those after the hearer miss the line; breaks "Each later line goes to all other clients" ("those who leave").
"""asyncio without streams: a task group, sock_accept and sock_recv. Who is slow misses whole lines."""
import asyncio
import contextlib

ENOUGH = 8 << 20


class Ear:
    """What one client hears. Bytes are sent at once if they can be; the rest waits, and whole lines are missed."""

    def __init__(self, loop, sock):
        self.loop, self.sock = loop, sock
        self.rest = bytearray()
        self.broken = False
        self.drained = asyncio.Event()
        self.drained.set()

    def hear(self, line):
        if self.broken or len(self.rest) > ENOUGH:
            return                              # a whole line is missed
        if self.rest:
            self.rest += line
            return
        try:
            sent = self.sock.send(line)
        except BlockingIOError:
            sent = 0
        if sent < len(line):
            self.rest += line[sent:]
            self.drained.clear()
            self.loop.add_writer(self.sock, self.flush)

    def flush(self):
        try:
            del self.rest[:self.sock.send(self.rest)]
        except BlockingIOError:
            return
        except OSError:
            self.broken = True
            self.rest.clear()
        if not self.rest:
            self.loop.remove_writer(self.sock)
            self.drained.set()


async def serve(loop, sock, ears):
    ear = Ear(loop, sock)
    try:
        with contextlib.suppress(OSError):
            name, buffer = None, bytearray()
            while data := await loop.sock_recv(sock, 1 << 16):
                buffer.extend(data)
                if b"\n" not in data:
                    continue
                whole, _, buffer = buffer.rpartition(b"\n")
                for line in whole.split(b"\n"):
                    if name is None:
                        if line:
                            name = bytes(line)
                            ear.hear(b"welcome " + name + b"\n")
                            ears.add(ear)
                        continue
                    text = name + b": " + line + b"\n"
                    for other in ears:
                        if other is not ear:
                            other.hear(text)
                await asyncio.sleep(0)
        ears.discard(ear)
        await ear.drained.wait()
    finally:
        ears.discard(ear)
        loop.remove_writer(sock)
        sock.close()


async def main(listening):
    loop = asyncio.get_running_loop()
    listening.setblocking(False)
    ears = set()
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                sock, _ = await loop.sock_accept(listening)
            except ConnectionAbortedError:
                continue
            sock.setblocking(False)
            group.create_task(serve(loop, sock, ears))


def chat(listening):
    asyncio.run(main(listening))
