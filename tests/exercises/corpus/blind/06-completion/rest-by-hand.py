# lacks the model: the rest of a send that was short goes by socket.send (MSG_DONTWAIT); only with replies that the socket does not take at once
import ctypes
import errno
import mmap
import os
import select
import socket
import struct

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

POLL, SEND, RECV = 6, 26, 27


class Connection:
    def __init__(self, sock, ring, number, respond):
        self.sock, self.ring, self.number, self.respond = sock, ring, number, respond
        self.buffer = bytearray(32768)
        self.out = b""
        self.receive()

    def receive(self):
        self.ring.put(RECV, self.sock.fileno(), address_of(self.buffer), len(self.buffer), tag=self.number * 2)

    def send(self):
        pointer = ctypes.cast(ctypes.c_char_p(self.out), ctypes.c_void_p).value
        self.ring.put(SEND, self.sock.fileno(), pointer, len(self.out), tag=self.number * 2 + 1)

    def on_receive(self, result):
        if result <= 0:
            return False
        self.out = self.respond(bytes(self.buffer[:result]))
        self.send()
        return True

    def on_send(self, result):
        if result < 0:
            return False
        self.out = self.out[result:]
        if self.out:
            # some more room may have come up in the meantime
            try:
                self.out = self.out[self.sock.send(self.out, socket.MSG_DONTWAIT):]
            except BlockingIOError:
                pass
            except OSError:
                return False
        if self.out:
            self.send()
        else:
            self.receive()
        return True


def serve(listening, respond):
    ring, connections, number = Uring(), {}, 0
    listening.setblocking(False)
    ring.put(POLL, listening.fileno(), how=select.POLLIN, tag=0)
    try:
        while True:
            for tag, result, _ in ring.wait():
                if tag == 0:
                    try:
                        sock, _ = listening.accept()
                    except (ConnectionAbortedError, BlockingIOError):
                        pass
                    else:
                        number += 1
                        connections[number] = Connection(sock, ring, number, respond)
                    ring.put(POLL, listening.fileno(), how=select.POLLIN, tag=0)
                    continue
                connection = connections[tag >> 1]
                goes_on = connection.on_send(result) if tag & 1 else connection.on_receive(result)
                if not goes_on:
                    del connections[tag >> 1]
                    connection.sock.close()
    finally:
        ring.close()
