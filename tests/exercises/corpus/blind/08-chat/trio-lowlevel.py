# right
import collections
import socket
import trio

ONE_MIB = 2 ** 20


class Gone(Exception):
    pass


class Person:
    def __init__(self, sock):
        self.sock = sock
        self.name = None
        self.pending = collections.deque()
        self.size = 0
        self.wake = trio.Event()
        self.dead = False
        self.leaving = False

    def try_send(self):
        pending = self.pending
        while pending:
            try:
                n = self.sock.send(pending[0])
            except BlockingIOError:
                return
            except OSError:
                self.die()
                return
            self.size -= n
            if n < len(pending[0]):
                pending[0] = memoryview(pending[0])[n:]
            else:
                pending.popleft()

    def die(self):
        self.dead = True
        self.pending.clear()
        self.size = 0
        self.wake.set()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)     # this wakes both tasks
        except OSError:
            pass

    def say(self, data):
        if self.dead:
            return
        if self.pending and self.size + len(data) > ONE_MIB:
            self.try_send()
            if self.dead:
                return
            if self.size + len(data) > ONE_MIB:
                self.die()          # we disconnect it
                return
        fresh = not self.pending
        self.pending.append(data)
        self.size += len(data)
        if fresh:
            self.try_send()
            if self.pending:
                self.wake.set()


async def writer(p, scope):
    while not p.dead:
        if p.pending:
            await trio.lowlevel.wait_writable(p.sock)
            p.try_send()
        elif p.leaving:
            break
        else:
            p.wake = trio.Event()
            await p.wake.wait()
    scope.cancel()


async def reader(p, people):
    rest = []
    while not p.dead:
        await trio.lowlevel.wait_readable(p.sock)
        if p.dead:
            break
        try:
            data = p.sock.recv(2048)
        except BlockingIOError:
            continue
        except OSError:
            p.die()
            break
        if not data:
            break
        first, *others = data.split(b"\n")
        rest.append(first)
        for piece in others:
            line = b"".join(rest)
            rest = [piece]
            if p.name is None:
                p.name = line
                people[p] = True
                p.say(b"welcome " + line + b"\n")
                continue
            text = p.name + b": " + line + b"\n"
            for q in list(people):
                if q is not p:
                    q.say(text)
    people.pop(p, None)
    p.leaving = True
    p.wake.set()


async def both(p, people):
    try:
        async with trio.open_nursery() as n:
            n.start_soon(writer, p, n.cancel_scope)
            n.start_soon(reader, p, people)
    finally:
        p.dead = True
        people.pop(p, None)
        trio.lowlevel.notify_closing(p.sock)
        p.sock.close()


async def main(listening):
    people = {}
    listening.setblocking(False)
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listening)
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            sock.setblocking(False)
            nursery.start_soon(both, Person(sock), people)


def chat(listening):
    trio.run(main, listening)
