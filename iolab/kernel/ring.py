"""A ring of io_uring: two queues in memory that this process shares with the kernel.

Theory of operation. `io_uring_setup` makes the queues, and `mmap` shows them. Into one go orders of 64
bytes, each what a system call and its arguments would be: an operation, a descriptor, an address, flags.
Out of the other come completions of 16 bytes: the number that its order bore, and the result.
To give an order is to write into memory; one call, `io_uring_enter`, hands over all that were written since
the last, and sleeps until something is done.

Three flags make many orders few. *Multishot*: an accept or a receive stays in force, and completes once for
each connection or each arrival. *Provided buffers*: the kernel takes one from a third queue when bytes come,
so that a connection at rest holds none. *Silence*: an order that succeeds has no completion.

With SINGLE_ISSUER and DEFER_TASKRUN the kernel reads and writes the queues only while this thread is in its
own `io_uring_enter`: nobody looks on from another CPU, and no memory barrier is needed. The kernel knows
addresses, not objects, so what is sent is kept here until it is sent.
"""

import ctypes
import errno
import mmap
import os
import struct
import sys
from typing import Any, Self

from iolab.errors import UsageError

# <linux/io_uring.h>; the three system calls have these numbers on every architecture but Alpha.
SETUP, ENTER, REGISTER = 425, 426, 427
CQSIZE, SUBMIT_ALL, SINGLE_ISSUER, DEFER_TASKRUN = 1 << 3, 1 << 7, 1 << 12, 1 << 13
FLAGS = SUBMIT_ALL | SINGLE_ISSUER | DEFER_TASKRUN
GETEVENTS = 1
QUEUES_AT, ORDERS_AT = 0, 0x10000000
REGISTER_BUFFERS, SYNC_CANCEL, CANCEL_ALL, CANCEL_ANY = 22, 24, 1, 4
LINK, BUFFER_SELECT, SILENT = 1 << 2, 1 << 5, 1 << 6
POLL_FIRST, MULTISHOT, ACCEPT_MULTISHOT = 1, 2, 1
HAS_BUFFER, MORE = 1, 2

SYNC, POLL, ACCEPT, CANCEL, READ, WRITE, SEND, RECEIVE = 3, 6, 13, 14, 22, 23, 26, 27
"""The operations, of which a completion names its own."""
SILENT_SEND, SILENT_WRITE, SILENT_CANCEL = SEND | SILENT << 8, WRITE | SILENT << 8, CANCEL | SILENT << 8

ENTRIES = 1024
"""Orders that are handed over at once; what is more takes another system call."""

BUFFERS = 32
"""Buffers that the kernel may choose from, a power of two; each is used in turn, so all of them end up in memory.

One peer alone may fill them all before this thread can say that it reads no more, so what is held for a peer is
bounded by them, too. Since 6.13 Linux does at most 20 orders in one `io_uring_enter` with DEFER_TASKRUN.
"""

ASKED = struct.Struct("=4I")  # entries of both queues, flags, the CPU of the kernel's thread
PLACES = struct.Struct("=2I36xI16xI12x2I12xI16x")  # entries, and where in the memory is what `Ring._map` names
ORDER = struct.Struct("=BBHiQQIIQH22x")  # opcode, flags, ioprio, fd, off, addr, len, op_flags, user_data, buf_group
ORDER_BYTES = ORDER.size
COMPLETION = struct.Struct("=QiI")  # user_data, res, flags
BUFFER = struct.Struct("=QIH2x")  # addr, len, bid
BUFFER_TAIL_AT = 14  # it lies in the first entry
BUFFERS_AT = struct.Struct("=QIH26x")  # ring_addr, ring_entries, bgid
ALL = struct.Struct("=QiIqq32x").pack(0, -1, CANCEL_ALL | CANCEL_ANY, -1, -1)  # user_data, fd, flags, timeout
U16, U32 = struct.Struct("=H"), struct.Struct("=I")

CLOSE_ON_EXEC, DONTWAIT, DATA_ONLY = 0o2000000, 0x40, 1
SEND_ALL = 0x100
"""MSG_WAITALL: without it a short send is a success (`io_uring_prep_send(3)`), and a silent one is never heard of."""

Completion = tuple[int, int, int, int, bytes]
"""Operation, descriptor, result (a negative one is an error), flags (MORE: others follow), and what was received."""


class Ring:
    """A ring of the calling thread, with the buffers into which it receives; no other thread may use it.

    Raise OSError if the kernel refuses it (`io_uring_setup(2)`).
    """

    def __init__(self, buffer_bytes: int, buffers: int = BUFFERS, flags: int = FLAGS, cpu: int = 0) -> None:
        params = ctypes.create_string_buffer(ASKED.pack(0, 4 * ENTRIES, flags | CQSIZE, cpu), PLACES.size)
        self.descriptor = call(SETUP, ENTRIES, params)
        try:
            self._map(PLACES.unpack(params.raw))
            self._provide(buffer_bytes, buffers)
        except BaseException:
            os.close(self.descriptor)
            raise
        self._written = self._given = 0
        self._silent: dict[int, tuple[int, bytes]] = {}
        self._sending: dict[int, bytes] = {}
        self._ended: list[Completion] = []

    def _map(self, places: tuple[int, ...]) -> None:
        orders, completions, self._order_tail, array, self._head, self._tail, self._done = places
        self._orders_mask, self._completions = orders - 1, completions
        size = max(array + U32.size * orders, self._done + COMPLETION.size * completions)
        self._queues = mmap.mmap(self.descriptor, size, offset=QUEUES_AT)
        self._orders = mmap.mmap(self.descriptor, ORDER.size * orders, offset=ORDERS_AT)
        self._queues[array : array + 4 * orders] = struct.pack(f"={orders}I", *range(orders))
        self._bytes = ctypes.c_char_p()
        self._address = ctypes.c_void_p.from_buffer(self._bytes)

    def _provide(self, size_bytes: int, count: int) -> None:
        self._size_bytes, self._provided = size_bytes, 0
        self._buffers, self._queue = mmap.mmap(-1, size_bytes * count), mmap.mmap(-1, BUFFER.size * count)
        start = address(self._buffers)
        for number in range(count):
            BUFFER.pack_into(self._queue, BUFFER.size * number, start + size_bytes * number, size_bytes, number)
        call(REGISTER, self.descriptor, REGISTER_BUFFERS, BUFFERS_AT.pack(address(self._queue), count, 0), 1)
        self._give_back(count)

    def _give_back(self, count: int) -> None:
        # The kernel takes buffers as they stand in the queue, and here all that it took are copied before
        # any is given back: the entries stay as they are, and the tail moves on.
        self._provided = (self._provided + count) & 0xFFFF
        U16.pack_into(self._queue, BUFFER_TAIL_AT, self._provided)

    def accept(self, descriptor: int) -> None:
        """Accept all who come to a listening socket (`accept4(2)`); the results are their descriptors."""
        self._order(ACCEPT, 0, ACCEPT_MULTISHOT, descriptor, 0, 0, CLOSE_ON_EXEC)

    def poll(self, descriptor: int, events: int) -> None:
        """Complete once a descriptor is ready (`poll(2)`)."""
        self._order(POLL, 0, 0, descriptor, 0, 0, events)

    def receive(self, descriptor: int, how: int = 0) -> None:
        """Receive into a buffer of the kernel's choice: once, or with MULTISHOT until it fails or the peer ends.

        -ENOBUFS says that more came at once than there are buffers, and ends it as well.
        """
        self._order(RECEIVE, BUFFER_SELECT, how | POLL_FIRST, descriptor, 0, 0, 0)

    def stop_receiving(self, descriptor: int) -> None:
        """End a receive: it completes once more, with -ECANCELED."""
        self._order(CANCEL, SILENT, 0, 0, RECEIVE << 32 | descriptor, 0, 0)

    def send(self, descriptor: int, data: bytes) -> None:
        """Send all of it, and complete when that is done, or when it fails. One at a time for each descriptor."""
        self._must_rest(descriptor)
        self._sending[descriptor] = data
        self._order(SEND, 0, 0, descriptor, self._address_of(data), len(data), SEND_ALL)

    def send_silently(self, descriptor: int, data: bytes) -> None:
        """Send what the socket takes at once, and complete if that was not all: with MORE, for the rest follows.

        It is over when the call that hands it over returns (MSG_DONTWAIT): one that could wait
        and was silent would never tell when its memory is free. One at a time, see `is_sending`.
        """
        if descriptor in self._sending or descriptor in self._silent:
            self._must_rest(descriptor)
        place, self._bytes.value = self._place(), data  # written out: one for every request
        ORDER.pack_into(
            self._orders, ORDER_BYTES * place, SEND, SILENT, 0, descriptor, 0,
            self._address.value, len(data), SEND_ALL | DONTWAIT, SILENT_SEND << 32 | descriptor, 0,
        )  # fmt: skip
        self._silent[descriptor] = place, data

    def read(self, descriptor: int, start: int) -> None:
        """Read from this place in a file into a buffer of the kernel's choice, as much as that holds."""
        self._order(READ, BUFFER_SELECT, 0, descriptor, 0, self._size_bytes, 0, start)

    def write_durably(self, descriptor: int, data: bytes) -> None:
        """Write to the start of a file, and complete once the device has it (`fdatasync(2)`): two orders, linked.

        One at a time for each descriptor.
        """
        self._sending[descriptor] = data
        self._order(WRITE, LINK | SILENT, 0, descriptor, self._address_of(data), len(data), 0)
        self._order(SYNC, 0, 0, descriptor, 0, 0, DATA_ONLY)

    def is_sending(self, descriptor: int) -> bool:
        """Say whether a send is not over, which from here on is not silent: its completion will come."""
        if descriptor in self._silent:  # not handed over yet: until then an order can be changed
            place, data = self._silent.pop(descriptor)
            self._sending[descriptor] = data
            self._write(place, SEND, 0, 0, descriptor, self._address_of(data), len(data), SEND_ALL)
        return descriptor in self._sending

    def submit(self) -> None:
        """Hand over the orders that were written."""
        if self._written != self._given:
            self._enter(0)

    def wait(self) -> list[Completion]:
        """Sleep until something is done, and return all that is."""
        while not self._ended:
            self._enter(1)
        ended, self._ended = self._ended, []
        return ended

    def submit_and_wait(self) -> list[Completion]:
        """Hand over the orders that were written, sleep until something is done, and return all that is: one call."""
        if self._written != self._given and not self._ended:
            self._enter(1)
        return self.wait()

    def _must_rest(self, descriptor: int) -> None:
        if descriptor in self._sending or descriptor in self._silent:  # two would mix their bytes, once one is short
            raise UsageError(f"descriptor {descriptor} is sending; wait for that to complete, then send more")

    def _order(
        self, operation: int, flags: int, how: int, descriptor: int, target: int, size: int, more: int, start: int = 0
    ) -> int:
        place = self._place()
        self._write(place, operation, flags, how, descriptor, target, size, more, start)
        return place

    def _place(self) -> int:
        """Return where the next order goes; if there is no room, hand over those that wait."""
        if self._written - self._given > self._orders_mask:
            self.submit()
        self._written += 1
        return (self._written - 1) & self._orders_mask

    def _write(
        self,
        place: int,
        operation: int,
        flags: int,
        how: int,
        descriptor: int,
        target: int,
        size: int,
        more: int,
        start: int = 0,
    ) -> None:
        number = (operation | (flags & SILENT) << 8) << 32 | descriptor
        at = ORDER.size * place
        ORDER.pack_into(self._orders, at, operation, flags, how, descriptor, start, target, size, more, number, 0)

    def _address_of(self, data: bytes) -> int:
        self._bytes.value = data
        return self._address.value or 0

    def _enter(self, wait_for: int) -> None:
        U32.pack_into(self._queues, self._order_tail, self._written & 0xFFFFFFFF)
        self._given += self.enter(self._written - self._given, wait_for)
        while self._given != self._written:
            self._given += self.enter(self._written - self._given, 0)
        silent, self._silent = self._silent, {}
        self._ended += self.harvest(silent)

    def enter(self, orders: int, wait_for: int) -> int:
        """Hand over so many orders, sleep until so many are done, and return how many were taken."""
        return call(ENTER, self.descriptor, orders, wait_for, GETEVENTS, None, 0)

    def harvest(self, silent: dict[int, tuple[int, bytes]]) -> list[Completion]:
        """Collect what is done, in the order in which it was; `silent` are the sends that were handed over just now."""
        done, to_return, buffers, size_bytes = list[Completion](), 0, self._buffers, self._size_bytes
        for number, result, flags in COMPLETION.iter_unpack(self._rows()):
            operation, descriptor, data = number >> 32, number & 0xFFFFFFFF, b""
            if flags & HAS_BUFFER:
                start = size_bytes * (flags >> 16)
                data, to_return = buffers[start : start + result if result > 0 else start], to_return + 1
            elif operation in (SEND, SYNC):
                del self._sending[descriptor]
            elif operation == SILENT_SEND:
                operation, flags = SEND, self._send_rest(descriptor, result, silent[descriptor][1])
            elif operation == SILENT_WRITE:  # it failed or was short; what is linked to it says nothing then
                operation, result = SYNC, result if result < 0 else -errno.EIO
                del self._sending[descriptor]
            elif operation == SILENT_CANCEL:  # the receive had ended by itself
                continue
            done.append((operation, descriptor, result, flags & MORE, data))
        if to_return:
            self._give_back(to_return)
        return done

    def _send_rest(self, descriptor: int, result: int, data: bytes) -> int:
        if result < 0 and result != -errno.EAGAIN:
            return 0
        self.send(descriptor, data[max(result, 0) :])
        return MORE

    def _rows(self) -> bytes:
        queues, size = self._queues, COMPLETION.size
        (head,), (tail,) = U32.unpack_from(queues, self._head), U32.unpack_from(queues, self._tail)
        if head == tail:
            return b""
        U32.pack_into(queues, self._head, tail)  # the kernel writes none while this thread is outside
        start, end = (self._done + size * (at % self._completions) for at in (head, tail))
        if start < end:
            return queues[start:end]
        return queues[start : self._done + size * self._completions] + queues[self._done : end]

    def close(self) -> None:
        """End whatever is not done, and give all memory back."""
        # Until an order is done, the kernel holds its socket open and may write into a buffer. Cancelled,
        # those of sockets are done once this thread has been in the kernel again.
        call(REGISTER, self.descriptor, SYNC_CANCEL, ALL, 1)
        self.enter(0, 0)
        for operation, _, result, _, _ in self._ended + Ring.harvest(self, self._silent):
            if operation == ACCEPT and result >= 0:
                os.close(result)
        os.close(self.descriptor)
        for memory in (self._orders, self._queues, self._queue, self._buffers):
            memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def address(memory: mmap.mmap) -> int:
    """Return where this memory begins."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def call(number: int, *arguments: Any) -> int:
    """Make a system call for which the C library has no function; raise OSError if it fails.

    Integers are 32 bits wide. One that a signal interrupts is made again.
    """
    while (result := int(_syscall(number, *arguments))) < 0:
        if ctypes.get_errno() != errno.EINTR:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if sys.platform == "linux":
    _syscall = ctypes.CDLL(None, use_errno=True)["syscall"]
    _syscall.restype = ctypes.c_long
