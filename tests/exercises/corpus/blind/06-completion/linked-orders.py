# right
"""Each reply is a chain of two orders: send all of it, and then receive. It looks about once a second."""
import contextlib
import ctypes
import errno
import mmap
import os
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

POLL, TIMEOUT, SEND, RECV = 6, 11, 26, 27
LINK, WAITALL, POLLIN = 1 << 2, 0x100, 1
TICK = 0
SECOND = struct.pack("=qq", 1, 0)


def serve(listening, respond):
    ring, clients, count = Uring(1024), {}, 1
    listening.setblocking(False)
    clock = ctypes.create_string_buffer(SECOND, 16)

    def watch():
        ring.put(POLL, listening.fileno(), how=POLLIN, tag=POLL)

    def tick():
        ring.put(TIMEOUT, -1, ctypes.addressof(clock), 1, tag=TICK)

    def receive(number):
        connection, memory, _, _ = clients[number]
        ring.put(RECV, connection.fileno(), address_of(memory), len(memory), tag=number << 8 | RECV)

    watch()
    tick()
    try:
        while True:
            for tag, result, _ in ring.wait():
                number, operation = tag >> 8, tag & 0xFF
                if tag == TICK:
                    tick()
                elif operation == POLL:
                    with contextlib.suppress(ConnectionAbortedError, BlockingIOError):
                        connection, _ = listening.accept()
                        count += 1
                        # the connection, memory to receive into, the reply on its way, whether that failed
                        clients[count] = [connection, bytearray(8192), None, False]
                        receive(count)
                    watch()
                elif operation == SEND:
                    clients[number][2] = None
                    clients[number][3] = result < 0
                elif result <= 0:  # ended, reset, or cancelled since the send before it failed
                    clients.pop(number)[0].close()
                else:
                    client = clients[number]
                    with memoryview(client[1]) as view:
                        client[2] = reply = respond(bytes(view[:result]))
                    pointer = ctypes.cast(ctypes.c_char_p(reply), ctypes.c_void_p).value
                    if ring.unsent > ring.size - 2:
                        ring.enter(0)  # a chain must not be cut
                    ring.put(SEND, client[0].fileno(), pointer, len(reply), WAITALL, number << 8 | SEND, LINK)
                    receive(number)
    except SystemExit as stop:
        raise BaseExceptionGroup("the server ends", [stop]) from None
    finally:
        ring.close()
        for connection, *_ in clients.values():
            connection.close()
