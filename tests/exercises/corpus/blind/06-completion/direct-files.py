# right
"""Connections without descriptors: the ring accepts into its own table of files (direct descriptors)."""
import ctypes
import errno
import mmap
import os
import resource
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

POLL, ACCEPT, CLOSE, SEND, RECV = 6, 13, 19, 26, 27
FIXED_FILE, MORE, WAITALL, POLLIN = 1, 2, 0x100, 1
DOOR = 1 << 40


class Server:
    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        listening.setblocking(False)
        self.ring = Uring()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.slots = min(soft, 1024) if soft > 0 else 1024
        table = struct.pack("=IIQQQ", self.slots, 1, 0, 0, 0)  # sparse
        _system(427, self.ring.fd, 13, table, len(table))
        self.buffers, self.replies = {}, {}

    def accept(self):
        self.ring.put(ACCEPT, self.listening.fileno(), tag=DOOR | ACCEPT, prio=1, index=0xFFFFFFFF)

    def poll(self):
        self.ring.put(POLL, self.listening.fileno(), how=POLLIN, tag=DOOR | POLL)

    def receive(self, slot):
        memory = self.buffers[slot]
        self.ring.put(RECV, slot, address_of(memory), len(memory), tag=slot << 8 | RECV, flags=FIXED_FILE)

    def send(self, slot, reply):
        self.replies[slot] = reply
        pointer = ctypes.cast(ctypes.c_char_p(reply), ctypes.c_void_p).value
        self.ring.put(SEND, slot, pointer, len(reply), WAITALL, slot << 8 | SEND, FIXED_FILE)

    def leave(self, slot):
        self.replies.pop(slot, None)
        del self.buffers[slot]
        self.ring.put(CLOSE, 0, tag=slot << 8 | CLOSE, index=slot + 1)

    def turn_away(self):
        try:
            self.listening.accept()[0].close()
        except (BlockingIOError, ConnectionAbortedError):
            pass

    def on_door(self, operation, result, more):
        if operation == POLL:
            if len(self.buffers) < self.slots:
                self.accept()
            else:
                self.turn_away()
                self.poll()
        elif result >= 0:
            self.buffers[result] = bytearray(16 << 10)
            self.receive(result)
            if not more:
                self.accept()
        elif result == -errno.EINVAL:
            self.turn_away()  # which raises Stopped
            self.poll()
        else:
            self.poll()

    def run(self):
        self.accept()
        while True:
            for tag, result, flags in self.ring.wait():
                slot, operation = tag >> 8, tag & 0xFF
                if tag & DOOR:
                    self.on_door(operation, result, flags & MORE)
                elif operation == CLOSE:
                    pass
                elif result < 0 or (operation == RECV and result == 0):
                    self.leave(slot)
                elif operation == RECV:
                    self.send(slot, self.respond(bytes(self.buffers[slot][:result])))
                elif result < len(self.replies[slot]):
                    self.send(slot, self.replies[slot][result:])
                else:
                    del self.replies[slot]
                    self.receive(slot)


def serve(listening, respond):
    server = Server(listening, respond)
    try:
        server.run()
    finally:
        server.ring.close()
