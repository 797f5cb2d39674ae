"""Asynchronous I/O of the Linux kernel itself (`io_submit(2)`), made for files that go past the page cache."""

import ctypes
import os
import platform
import struct
import sys
import time

from iolab.kernel.ring import call

NUMBERS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
"""By machine: io_setup, io_destroy, io_getevents, io_submit."""

READ = 0
ORDER = struct.Struct("=Q8xHhIQQq16x")  # data, lio_opcode, reqprio, fildes, buf, nbytes, offset
DONE = struct.Struct("=16xq8x")  # of its result


def read(descriptor: int, size_bytes: int) -> tuple[int, int, bytes]:
    """Order one read; return how many ns `io_submit` took, the result (a negative one is an error), and the bytes."""
    setup, destroy, take, submit = NUMBERS[platform.machine()]
    context, buffer = ctypes.c_ulong(0), ctypes.create_string_buffer(size_bytes)
    packed = ORDER.pack(0, READ, 0, descriptor, ctypes.addressof(buffer), size_bytes, 0)
    order, done = ctypes.create_string_buffer(packed, ORDER.size), ctypes.create_string_buffer(DONE.size)
    call(setup, 1, ctypes.byref(context))
    try:
        start_ns = time.perf_counter_ns()
        call(submit, context, 1, (ctypes.c_void_p * 1)(ctypes.addressof(order)))
        taken_ns = time.perf_counter_ns() - start_ns
        call(take, context, 1, 1, done, None)
    finally:
        call(destroy, context)
    (result,) = DONE.unpack(done.raw)
    return taken_ns, result, buffer.raw[: max(result, 0)]


def why_not() -> str | None:
    """Say why there is no `io_submit` here, or return None."""
    if sys.platform != "linux" or platform.machine() not in NUMBERS:
        return "io_submit is tried here on Linux alone, on x86-64 and on 64-bit ARM"
    context = ctypes.c_ulong(0)
    try:
        call(NUMBERS[platform.machine()][0], 1, ctypes.byref(context))
    except OSError as error:
        return f"io_setup failed: {os.strerror(error.errno or 0)}"
    call(NUMBERS[platform.machine()][1], context)
    return None
