# right
"""trio: a nursery, and Stopped leaves it inside of an exception group."""
import trio
from trio.lowlevel import wait_readable, wait_writable

BOUND = 8 << 20


class Person:
    def __init__(self, sock):
        self.sock = sock
        self.name = None
        self.backlog = bytearray()
        self.wake = trio.Event()
        self.closed = False
        self.finished = False

    def close(self):
        if not self.closed:
            self.closed = True
            self.wake.set()
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()

    def say(self, data):
        if self.closed:
            return
        if not self.backlog:
            try:
                data = data[self.sock.send(data):]
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return
        if data:
            self.backlog += data
            if len(self.backlog) > BOUND:
                self.close()
            self.wake.set()

    async def writer(self):
        try:
            while not self.closed:
                while self.backlog:
                    await wait_writable(self.sock)
                    try:
                        del self.backlog[:self.sock.send(self.backlog)]
                    except BlockingIOError:
                        pass
                if self.finished:
                    return
                await self.wake.wait()
                self.wake = trio.Event()
        except (OSError, ValueError, trio.ClosedResourceError):
            pass
        finally:
            self.close()


async def _reader(person, people):
    pieces = []
    try:
        while True:
            await wait_readable(person.sock)
            try:
                data = person.sock.recv(65536)
            except BlockingIOError:
                continue
            if not data:
                break
            *ended, rest = data.split(b"\n")
            for line in ended:
                line = b"".join(pieces) + line
                pieces.clear()
                if person.name is not None:
                    text = b"%s: %s\n" % (person.name, line)
                    for other in [p for p in people if p is not person]:
                        other.say(text)
                elif line:
                    person.name = line
                    person.say(b"welcome " + line + b"\n")
                    people.add(person)
            if rest:
                pieces.append(rest)
    except (OSError, ValueError, trio.ClosedResourceError):
        person.close()
    finally:
        people.discard(person)
        person.finished = True
        person.wake.set()


async def _main(listening):
    people = set()
    listening.setblocking(False)
    async with trio.open_nursery() as nursery:
        while True:
            await wait_readable(listening)
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            sock.setblocking(False)
            person = Person(sock)
            nursery.start_soon(_reader, person, people)
            nursery.start_soon(person.writer)


def chat(listening):
    trio.run(_main, listening)
