# lacks a clean end: the function ends within a second, whatever clients are owed bytes: after Stopped it gives those 5 s to take them
import trio
from trio.lowlevel import wait_readable, wait_writable


class Server:
    def __init__(self, listening, respond):
        self.listening = listening
        self.respond = respond
        self.owing = 0
        self.settled = trio.Event()

    async def client(self, sock):
        with sock:
            try:
                while True:
                    await wait_readable(sock)
                    data = sock.recv(16384)
                    if not data:
                        return
                    await self.pay(sock, memoryview(self.respond(data)))
            except OSError:
                return

    async def pay(self, sock, reply):
        self.owing += 1
        try:
            while reply:
                try:
                    reply = reply[sock.send(reply):]
                except BlockingIOError:
                    await wait_writable(sock)
        finally:
            self.owing -= 1
            if not self.owing:
                self.settled.set()

    async def run(self):
        async with trio.open_nursery() as nursery:
            try:
                while True:
                    await wait_readable(self.listening)
                    try:
                        sock, _ = self.listening.accept()
                    except (ConnectionAbortedError, BlockingIOError):
                        continue
                    sock.setblocking(False)
                    nursery.start_soon(self.client, sock)
            except SystemExit:
                # let those have their bytes who still wait for them
                with trio.move_on_after(5):
                    while self.owing:
                        self.settled = trio.Event()
                        await self.settled.wait()
                raise


def serve(listening, respond):
    listening.setblocking(False)
    trio.run(Server(listening, respond).run)
