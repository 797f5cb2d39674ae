# lacks a clean end: 235 places
import ctypes
import errno
import select
import socket
import threading
from collections import deque

from iolab.kernel.ring import COMPLETION, RECEIVE, SEND, Ring


places = threading.Semaphore(233)


class OwnRing(Ring):
    def harvest(self, silent):
        done = [(n >> 32, n & 0xFFFFFFFF, r, 0, b"") for n, r, _ in COMPLETION.iter_unpack(self._rows())]
        for operation, fd, *_ in done:
            if operation == SEND:
                del self._sending[fd]
        return done

    def get(self, fd, address, size):
        self._order(RECEIVE, 0, 0, fd, address, size, 0)

    def put(self, fd, address, size):
        self._sending[fd] = b""  # close() looks for it
        self._order(SEND, 0, 0, fd, address, size, 0x4000)


class Connection:
    SIZE = 7000

    def __init__(self, ring, sock):
        self.ring, self.sock, self.fd = ring, sock, sock.fileno()
        self.room = bytearray(self.SIZE)
        self.room_at = ctypes.addressof(ctypes.c_char.from_buffer(self.room))
        self.reply = self.at = self.end = None
        self.receive()

    def receive(self):
        self.ring.get(self.fd, self.room_at, self.SIZE)

    def answer(self, reply):
        self.reply = reply
        self.at = ctypes.cast(ctypes.c_char_p(reply), ctypes.c_void_p).value
        self.end = self.at + len(reply)
        self.ring.put(self.fd, self.at, self.end - self.at)

    def sent(self, count):
        self.at += count
        if self.at < self.end:
            self.ring.put(self.fd, self.at, self.end - self.at)
        else:
            self.reply = None
            self.receive()


def acceptor(listening, inbox, wake):
    while True:
        places.acquire()
        try:
            inbox.append(listening.accept()[0])
        except ConnectionAbortedError:
            places.release()
            continue
        except BaseException as error:
            inbox.append(error)
            wake.send(b"!")
            return
        wake.send(b".")


def serve(listening, respond):
    listening.setblocking(True)
    inbox, connections = deque(), {}
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    threading.Thread(target=acceptor, args=(listening, inbox, theirs), daemon=True).start()
    with OwnRing(64, 2) as ring:
        ring.poll(ours.fileno(), select.POLLIN)
        while True:
            for operation, fd, result, _, _ in ring.submit_and_wait():
                if fd == ours.fileno():
                    ours.recv(1000)
                    while inbox:
                        new = inbox.popleft()
                        if isinstance(new, BaseException):
                            raise new
                        connections[new.fileno()] = Connection(ring, new)
                    ring.poll(fd, select.POLLIN)
                    continue
                connection = connections[fd]
                if result in (-errno.EINTR, -errno.EAGAIN):
                    result = 0 if operation == SEND else result
                if operation == RECEIVE and result > 0:
                    connection.answer(respond(memoryview(connection.room)[:result]))
                elif operation == SEND and result >= 0:
                    connection.sent(result)
                else:
                    del connections[fd]
                    connection.sock.close()
                    places.release()
