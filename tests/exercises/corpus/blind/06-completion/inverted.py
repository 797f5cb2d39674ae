# right
"""The calling thread is the one that accepts; the ring has a thread, and orders READ and WRITE, not RECV and SEND."""
import ctypes
import errno
import mmap
import os
import struct
import threading
from collections import deque

_libc = ctypes.CDLL(None, use_errno=True)
_SQE = struct.Struct("=BBHiQQIIQHHIQQ")


def _system(number, *arguments):
    while True:
        result = _libc.syscall(number, *arguments)
        if result >= 0:
            return result
        code = ctypes.get_errno()
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))


class Uring:
    """Just as much of io_uring as is needed here."""

    def __init__(self, entries=512):
        params = ctypes.create_string_buffer(struct.pack("=4I", 0, 8 * entries, 1 << 3, 0), 120)
        self.fd = _system(425, entries, params)
        self.size, self.done_size = struct.unpack_from("=2I", params.raw, 0)
        sq = struct.unpack_from("=7I", params.raw, 40)
        cq = struct.unpack_from("=6I", params.raw, 80)
        self.sq_tail, array = sq[1], sq[6]
        self.cq_head, self.cq_tail, self.cqes = cq[0], cq[1], cq[5]
        room = max(array + 4 * self.size, self.cqes + 16 * self.done_size)
        self.rings = mmap.mmap(self.fd, room, offset=0)
        self.sqes = mmap.mmap(self.fd, 64 * self.size, offset=0x10000000)
        for index in range(self.size):
            struct.pack_into("=I", self.rings, array + 4 * index, index)
        self.tail = self.unsent = 0

    def put(self, op, fd, addr=0, size=0, how=0, tag=0, flags=0, prio=0, off=0, index=0):
        if self.unsent >= self.size:
            self.enter(0)
        place = 64 * (self.tail & (self.size - 1))
        _SQE.pack_into(self.sqes, place, op, flags, prio, fd, off, addr, size, how, tag, 0, 0, index, 0, 0)
        self.tail += 1
        self.unsent += 1

    def enter(self, want):
        struct.pack_into("=I", self.rings, self.sq_tail, self.tail & 0xFFFFFFFF)
        self.unsent -= _system(426, self.fd, self.unsent, want, 1, None, 0)

    def wait(self):
        """Hand over what was put, sleep until something is done, return all that is."""
        self.enter(1)
        (head,) = struct.unpack_from("=I", self.rings, self.cq_head)
        (tail,) = struct.unpack_from("=I", self.rings, self.cq_tail)
        done = []
        while head != tail:
            done.append(struct.unpack_from("=QiI", self.rings, self.cqes + 16 * (head & (self.done_size - 1))))
            head = (head + 1) & 0xFFFFFFFF
        struct.pack_into("=I", self.rings, self.cq_head, head)
        return done

    def close(self):
        os.close(self.fd)
        self.rings.close()
        self.sqes.close()


def address_of(memory):
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))

READ, WRITE = 22, 23
QUIT = object()


class Client:
    def __init__(self, connection):
        self.connection, self.fd = connection, connection.fileno()
        self.memory = bytearray(24 << 10)
        self.place = address_of(self.memory)
        self.reply = None
        self.at = 0


def engine(pipe, inbox, respond):
    ring, note, clients, numbers = Uring(), bytearray(64), {}, 0

    def ask(number, client):
        ring.put(READ, client.fd, client.place, len(client.memory), tag=2 * number, off=0xFFFFFFFFFFFFFFFF)

    def answer(number, client):
        pointer = ctypes.cast(ctypes.c_char_p(client.reply), ctypes.c_void_p).value + client.at
        ring.put(WRITE, client.fd, pointer, len(client.reply) - client.at, tag=2 * number + 1, off=0xFFFFFFFFFFFFFFFF)

    ring.put(READ, pipe, address_of(note), len(note), tag=0, off=0xFFFFFFFFFFFFFFFF)
    while True:
        for tag, result, _ in ring.wait():
            number, is_write = tag >> 1, tag & 1
            if number == 0:
                while inbox:
                    guest = inbox.popleft()
                    if guest is QUIT:
                        ring.close()
                        return
                    numbers += 1
                    clients[numbers] = client = Client(guest)
                    ask(numbers, client)
                ring.put(READ, pipe, address_of(note), len(note), tag=0, off=0xFFFFFFFFFFFFFFFF)
                continue
            client = clients[number]
            if result <= 0:
                clients.pop(number).connection.close()
            elif is_write:
                client.at += result
                if client.at < len(client.reply):
                    answer(number, client)
                else:
                    client.reply = None
                    ask(number, client)
            else:
                client.reply, client.at = respond(bytes(client.memory[:result])), 0
                answer(number, client)


def serve(listening, respond):
    inbox = deque()
    reading, writing = os.pipe()
    thread = threading.Thread(target=engine, args=(reading, inbox, respond), daemon=True)
    thread.start()
    listening.setblocking(True)
    try:
        while True:
            try:
                connection = listening.accept()[0]
            except ConnectionAbortedError:
                continue
            inbox.append(connection)
            os.write(writing, b".")
    finally:
        inbox.append(QUIT)
        os.write(writing, b".")
        thread.join(0.4)
