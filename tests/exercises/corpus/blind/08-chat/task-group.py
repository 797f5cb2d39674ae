# right
"""asyncio's TaskGroup, a task for each client, and bare sockets."""
import asyncio
from collections import deque
from dataclasses import dataclass, field

MOST = 1024 * 1024


@dataclass(eq=False)
class Client:
    loop: asyncio.AbstractEventLoop
    sock: object
    name: bytes = None
    owed: deque = field(default_factory=deque)
    bytes_owed: int = 0
    broken: bool = False
    waiting: bool = False
    empty: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self):
        """Send until there is nothing left or the kernel will not have it."""
        while self.owed and not self.broken:
            first = self.owed[0]
            try:
                n = self.sock.send(first)
            except BlockingIOError:
                break
            except OSError:
                self.fail()
                return
            self.bytes_owed -= n
            if n == len(first):
                self.owed.popleft()
            else:
                self.owed[0] = memoryview(first)[n:]
        want = bool(self.owed)
        if want != self.waiting:
            self.waiting = want
            if want:
                self.loop.add_writer(self.sock, self.push)
            else:
                self.loop.remove_writer(self.sock)
        if not want:
            self.empty.set()

    def fail(self):
        self.broken = True
        if self.waiting:
            self.loop.remove_writer(self.sock)
            self.waiting = False
        self.owed.clear()
        self.bytes_owed = 0
        self.empty.set()

    def tell(self, data):
        if self.broken:
            return
        if self.owed and self.bytes_owed + len(data) > MOST:
            self.push()
            if self.broken or self.bytes_owed + len(data) > MOST:
                return
        self.owed.append(data)
        self.bytes_owed += len(data)
        self.empty.clear()
        if len(self.owed) == 1:
            self.push()


async def serve(client, room):
    loop = client.loop
    rest = bytearray()
    try:
        while not client.broken:
            await asyncio.sleep(0)          # sock_recv gives no one a turn when there is something
            data = await loop.sock_recv(client.sock, 2048)
            if not data:
                break
            cut = data.rfind(b"\n")
            if cut < 0:
                rest += data
                continue
            whole = bytes(rest) + data[:cut]
            rest[:] = data[cut + 1:]
            for line in whole.split(b"\n"):
                if client.name is None:
                    client.name = line
                    room.append(client)
                    client.tell(b"welcome " + line + b"\n")
                else:
                    message = b": ".join((client.name, line)) + b"\n"
                    for other in room:
                        if other is not client:
                            other.tell(message)
        if client in room:
            room.remove(client)
        if client.owed and not client.broken:
            await client.empty.wait()
    except OSError:
        pass
    finally:
        if client in room:
            room.remove(client)
        client.fail()
        client.sock.close()


async def main(listening):
    loop = asyncio.get_running_loop()
    room = []
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                sock, _ = await loop.sock_accept(listening)
            except ConnectionAbortedError:
                await asyncio.sleep(0)
                continue
            sock.setblocking(False)
            group.create_task(serve(Client(loop, sock), room))
            await asyncio.sleep(0)


def chat(listening):
    listening.setblocking(False)
    asyncio.run(main(listening))
