# right
"""A thread accepts and hands over what it gets, Stopped too, as part of a group."""
import asyncio
import socket
import threading
from collections import deque

BOUND = 1 << 20




class Link:
    def __init__(self, hall, sock):
        self.hall, self.sock, self.loop = hall, sock, hall.loop
        self.name, self.start, self.closed, self.leaving = None, bytearray(), False, False
        self.owed, self.amount, self.writing = deque(), 0, False
        self.loop.add_reader(sock, self.on_read)

    def on_read(self):
        try:
            data = self.sock.recv(2048)
        except BlockingIOError:
            return
        except OSError:
            return self.close()
        if not data:
            self.loop.remove_reader(self.sock)
            self.hall.members.discard(self)
            self.leaving = True
            if not self.owed:
                self.close()
            return
        seen = len(self.start)
        self.start += data
        at = 0
        while (lf := self.start.find(b"\n", max(at, seen))) >= 0:
            line = bytes(self.start[at:lf])
            at = lf + 1
            if self.name is None:
                self.name = line
                self.hall.members.add(self)
                self.send(b"welcome " + line + b"\n")
            else:
                self.hall.say(self, self.name + b": " + line + b"\n")
        del self.start[:at]

    def send(self, data):
        if self.closed:
            return
        if self.owed and self.amount + len(data) > BOUND:
            self.flush()
            if self.closed or self.amount + len(data) > BOUND:
                return
        self.owed.append(data)
        self.amount += len(data)
        if len(self.owed) == 1:
            self.flush()

    def flush(self):
        if self.closed:
            return
        try:
            while self.owed:
                n = self.sock.send(self.owed[0])
                self.amount -= n
                if n < len(self.owed[0]):
                    self.owed[0] = memoryview(self.owed[0])[n:]
                else:
                    self.owed.popleft()
        except BlockingIOError:
            if not self.writing:
                self.writing = True
                self.loop.add_writer(self.sock, self.flush)
            return
        except OSError:
            return self.close()
        if self.writing:
            self.writing = False
            self.loop.remove_writer(self.sock)
        if self.leaving:
            self.close()

    def close(self):
        if not self.closed:
            self.closed = True
            self.hall.members.discard(self)
            self.hall.links.discard(self)
            self.loop.remove_reader(self.sock)
            self.loop.remove_writer(self.sock)
            self.owed.clear()
            self.amount = 0
            self.sock.close()


class Hall:
    def __init__(self, loop):
        self.loop, self.members, self.links = loop, set(), set()
        self.end = loop.create_future()

    def say(self, who, data):
        for link in tuple(self.members):
            if link is not who:
                link.send(data)

    def enter(self, sock):
        self.links.add(Link(self, sock))


def doorman(listening, hall):
    while True:
        try:
            sock, _ = listening.accept()
            sock.setblocking(False)
        except ConnectionAbortedError:
            continue
        except BaseException as e:
            hall.loop.call_soon_threadsafe(hall.end.set_result, e)
            return
        hall.loop.call_soon_threadsafe(hall.enter, sock)


async def main(listening):
    hall = Hall(asyncio.get_running_loop())
    threading.Thread(target=doorman, args=(listening, hall), daemon=True).start()
    try:
        e = await hall.end
    finally:
        for link in list(hall.links):
            link.close()
    return e


def chat(listening):
    e = asyncio.run(main(listening))
    raise BaseExceptionGroup("the chat has ended", [e])
