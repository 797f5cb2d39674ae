# lacks CPU per message: 'copies nothing of what is owed already' / at most 10 times the CPU: what is owed is one bytearray, copied several times for each line, when 20 do not read and are owed much
import asyncio

LIMIT = 1 << 20


class Client:
    def __init__(self, loop, sock, clients):
        self.loop, self.sock, self.clients = loop, sock, clients
        self.name = None
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.open = True
        self.eof = False
        loop.add_reader(sock, self.readable)

    def readable(self):
        try:
            data = self.sock.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self.loop.remove_reader(self.sock)
            self.clients.pop(self, None)
            self.eof = True
            if not self.outbox:
                self.close()
            return
        if b"\n" not in data:
            self.inbox += data
            return
        *lines, rest = (bytes(self.inbox) + data).split(b"\n")
        self.inbox = bytearray(rest)
        for line in lines:
            if self.name is None:
                self.name = line
                self.clients[self] = True
                self.send(b"welcome " + line + b"\n")
            else:
                message = self.name + b": " + line + b"\n"
                for c in list(self.clients):
                    if c is not self:
                        c.send(message)

    def send(self, message):
        if not self.open:
            return
        if self.outbox and len(self.outbox + message) > LIMIT:
            self.writable()
            if not self.open or len(self.outbox + message) > LIMIT:
                return
        waiting = bool(self.outbox)
        self.outbox = self.outbox + message
        self.writable()
        if self.open and self.outbox and not waiting:
            self.loop.add_writer(self.sock, self.writable)

    def writable(self):
        try:
            n = self.sock.send(bytes(self.outbox))
        except BlockingIOError:
            n = 0
        except OSError:
            self.close()
            return
        self.outbox = self.outbox[n:]
        if not self.outbox:
            self.loop.remove_writer(self.sock)
            if self.eof:
                self.close()

    def close(self):
        if self.open:
            self.open = False
            self.clients.pop(self, None)
            self.loop.remove_reader(self.sock)
            self.loop.remove_writer(self.sock)
            self.outbox = b""
            self.sock.close()


async def main(listening):
    loop = asyncio.get_running_loop()
    clients = {}
    while True:
        try:
            sock, _ = await loop.sock_accept(listening)
        except ConnectionAbortedError:
            continue
        sock.setblocking(False)
        Client(loop, sock, clients)
        await asyncio.sleep(0)


def chat(listening):
    listening.setblocking(False)
    asyncio.run(main(listening))
