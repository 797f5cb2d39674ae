# right: an asyncio task for each client with sock_recv, a TaskGroup; lines are sent directly, what is left by add_writer; a turn (sleep(0)) after each recv and each 128 KiB
import asyncio

LIMIT = 1048576


class Writer:
    def __init__(self, sock):
        self.sock = sock
        self.left = bytearray()
        self.broken = False
        self.empty = asyncio.Event()
        self.empty.set()

    def write(self, line):
        if self.broken:
            return
        if self.left:
            if len(self.left) + len(line) <= LIMIT:
                self.left += line
            return
        n = self._send(line)
        if n < len(line):
            self.left += line[n:]
            self.empty.clear()
            asyncio.get_running_loop().add_writer(self.sock, self._more)

    def _send(self, data):
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.broken = True
            return len(data)

    def _more(self):
        del self.left[: self._send(self.left)]
        if not self.left:
            self.stop()

    def stop(self):
        if not self.empty.is_set():
            asyncio.get_running_loop().remove_writer(self.sock)
            self.left.clear()
            self.empty.set()


async def client(sock, room):
    loop = asyncio.get_running_loop()
    me, name, tail = Writer(sock), None, [b""]
    try:
        while True:
            await asyncio.sleep(0)
            try:
                data = await loop.sock_recv(sock, 65536)
            except OSError:
                me.broken = True
                me.stop()
                break
            if not data:
                break
            head, newline, rest = data.rpartition(b"\n")
            if not newline:
                tail.append(data)
                continue
            tail.append(head)
            lines = b"".join(tail).split(b"\n")
            tail = [rest]
            spent = 0
            for line in lines:
                if name is None:
                    name = line
                    me.write(b"welcome " + name + b"\n")
                    room.add(me)
                    continue
                message = name + b": " + line + b"\n"
                for other in room:
                    if other is not me:
                        other.write(message)
                spent += max(len(message), 1000)
                if spent > 131072:
                    spent = 0
                    await asyncio.sleep(0)
        room.discard(me)
        await me.empty.wait()
    finally:
        room.discard(me)
        me.stop()
        sock.close()


async def serve(listening):
    room = set()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:
                continue
            group.create_task(client(connection, room))
            await asyncio.sleep(0)


def chat(listening):
    listening.setblocking(False)
    asyncio.run(serve(listening))
