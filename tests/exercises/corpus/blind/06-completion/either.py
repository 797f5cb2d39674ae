# right
# A ring, or aio where it is refused; in both cases another thread accepts.
import os
import socket
import struct
import threading

from iolab.kernel import aio, uring
from iolab.kernel.ring import RECEIVE, Ring

SIZE = 16384


class ByRing:
    def __init__(self):
        self.ring = Ring(SIZE)
        self.read, self.write = self.ring.receive, self.ring.send
        self.close = self.ring.close

    def wait(self):
        for op, fd, result, _, data in self.ring.submit_and_wait():
            yield fd, op == RECEIVE, result, data


class ByAio:
    def __init__(self):
        self.requests, self.writing = aio.Requests(), set()

    def read(self, fd):
        self.requests.read(fd, SIZE)

    def write(self, fd, data):
        self.writing.add(fd)
        self.requests.write(fd, data)

    def wait(self):
        for fd, result, data in self.requests.wait():
            is_read = fd not in self.writing
            self.writing.discard(fd)
            yield fd, is_read, result, data

    def close(self):
        self.requests.__exit__(None, None, None)


def serve(listening, respond):
    ours, theirs = socket.socketpair()
    left, died = threading.Event(), []

    def accept():
        listening.setblocking(True)
        try:
            while True:
                left.clear()
                try:
                    sock, _ = listening.accept()
                except ConnectionAbortedError:
                    continue
                except OSError:
                    left.wait()  # no descriptor is left
                    continue
                sock.setblocking(True)
                theirs.sendall(struct.pack("=i", sock.detach()))
        except BaseException as error:
            died.append(error)
            theirs.sendall(struct.pack("=i", -1))

    engine = ByAio() if uring.why_not() else ByRing()
    thread = threading.Thread(target=accept, daemon=True)
    clients, owed, news = set(), {}, b""

    def leave(fd):
        clients.discard(fd)
        owed.pop(fd, None)
        os.close(fd)
        left.set()

    try:
        engine.read(ours.fileno())
        thread.start()
        while True:
            for fd, is_read, result, data in engine.wait():
                if fd == ours.fileno():
                    news += data
                    while len(news) >= 4:
                        (new,), news = struct.unpack("=i", news[:4]), news[4:]
                        if new < 0:
                            raise died[0]
                        clients.add(new)
                        engine.read(new)
                    engine.read(fd)
                elif is_read and result == -105:  # ENOBUFS: all buffers were taken just then
                    engine.read(fd)
                elif result < 0 or (is_read and not result):
                    leave(fd)
                else:
                    rest = respond(data) if is_read else owed.pop(fd)[result:]
                    if rest:
                        owed[fd] = rest
                        engine.write(fd, rest)
                    else:
                        engine.read(fd)
    finally:
        engine.close()
        for fd in clients:
            os.close(fd)
        ours.close()
