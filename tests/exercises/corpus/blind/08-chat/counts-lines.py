# lacks everybody hears: a client may be behind by 1,000 blocks, whatever their size, and is cut off then: 1,000 short lines are some KiB; breaks "still hears, and is still heard, while no more than 1 MiB is owed to it"
import asyncio
import collections


class Guest:
    def __init__(self, sock):
        self.sock, self.owed, self.flying = sock, collections.deque(), 0
        self.bell, self.over = asyncio.Event(), False
        self.writer = None

    def give(self, data):
        """False: it is owed too much, or is gone."""
        if self.over:
            return False
        if not self.owed and not self.flying:
            try:
                data = data[self.sock.send(data):]
            except BlockingIOError:
                pass
            except OSError:
                return False
        if data:
            self.owed.append(data)
            self.bell.set()
        return len(self.owed) <= 1000 and sum(map(len, self.owed)) <= 1_300_000

    async def write(self):
        loop = asyncio.get_running_loop()
        while True:
            await self.bell.wait()
            self.bell.clear()
            while self.owed:
                part = self.owed.popleft()
                self.flying = len(part)
                await loop.sock_sendall(self.sock, part)
                self.flying = 0
            if self.over:
                return


async def host(guest, guests):
    loop, sock = asyncio.get_running_loop(), guest.sock
    guest.writer = asyncio.create_task(guest.write())
    me = asyncio.current_task()
    guest.writer.add_done_callback(lambda _: me.cancel() if not guest.over else None)
    name, text, seen = None, bytearray(), 0
    try:
        while data := await loop.sock_recv(sock, 16384):
            text += data
            while True:
                start, batch, size, more = 0, [], 0, False
                while (end := text.find(b"\n", max(start, seen))) >= 0:
                    if size > 50_000:
                        more = True
                        break
                    line, start = bytes(text[start:end + 1]), end + 1
                    if name is None:
                        if line == b"\n":
                            return
                        name = line[:-1]
                        guest.give(b"welcome " + line)
                        guests[guest] = me
                    else:
                        batch.append(name + b": " + line)
                        size += len(batch[-1])
                del text[:start]
                seen = 0 if more else len(text)
                if batch:
                    data = b"".join(batch)
                    for other, task in list(guests.items()):
                        if other is not guest and not other.give(data):
                            guests.pop(other, None)
                            task.cancel()
                if not more:
                    break
                await asyncio.sleep(0)
            if len(text) > 2**20:
                return
            await asyncio.sleep(0)
        guests.pop(guest, None)
        guest.over = True
        guest.bell.set()
        await guest.writer
    except OSError:
        pass
    finally:
        guests.pop(guest, None)
        guest.over = True
        guest.writer.cancel()
        await asyncio.gather(guest.writer, return_exceptions=True)
        sock.close()


async def main(listening):
    loop, guests, tasks = asyncio.get_running_loop(), {}, set()
    while True:
        try:
            sock, _ = await loop.sock_accept(listening)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        sock.setblocking(False)
        task = asyncio.create_task(host(Guest(sock), guests))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def chat(listening):
    listening.setblocking(False)
    asyncio.run(main(listening))
