"""io_uring: whether this process may have a ring, and a ring that leaves nothing behind.

The ring itself comes from the package uring-api; what that lacks is asked of the kernel here.
"""

import ctypes
import errno
import importlib.util
import os
import platform
import resource
import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uring_api import BufGroup, Completion, Ring


ENTRIES = 1024
"""Operations handed to the kernel at once; more take another system call."""

BUFFERS = 64
"""Buffers that the kernel chooses from when bytes arrive; a silent connection holds none."""

# <linux/io_uring.h>; the two system calls have these numbers on every architecture but Alpha.
SETUP, REGISTER = 425, 427
SINGLE_ISSUER, DEFER_TASKRUN = 1 << 12, 1 << 13
REGISTER_SYNC_CANCEL, CANCEL_ALL, CANCEL_ANY = 24, 1 << 0, 1 << 2
ACCEPT, CQE_F_MORE = 6, 1 << 1
_PARAMS = struct.Struct("=8xI108x")  # flags
_CANCEL = struct.Struct("=QiIqq32x")  # user_data, fd, flags, timeout

DISABLED = Path("/proc/sys/kernel/io_uring_disabled")
STATUS = Path("/proc/self/status")


@contextmanager
def open_ring(buffer_bytes: int) -> "Iterator[tuple[Ring, BufGroup]]":
    """Yield a ring of the calling thread, and buffers for what it receives; at the end give both back.

    Operations that have not completed by then are cancelled. Raise OSError if the kernel refuses the
    ring (`io_uring_setup(2)`).
    """
    from uring_api import Ring

    # DEFER_TASKRUN: completions are made when this thread waits for them, all at once, and
    # not whenever it happens to be in the kernel.
    with Ring(ENTRIES, SINGLE_ISSUER | DEFER_TASKRUN, cq_entries=4 * ENTRIES) as ring:
        buffers = ring.create_buf_group(buffer_bytes, BUFFERS)
        try:
            yield ring, buffers
        finally:
            _cancel_all(ring)
            buffers.close()  # before the ring, or a page of memory is lost


def submit_and_wait(ring: "Ring") -> "list[Completion]":
    """Submit what was prepared, sleep until something completes, and return all completions (`io_uring_enter(2)`)."""
    while True:
        try:
            return ring.wait() or []
        except InterruptedError:  # by a signal, whose handler has run
            pass


class MultishotAccept:
    """Accept in a ring, one request for all connections, and fail as the listening socket's `accept` does.

    Its completions have the listening descriptor as their `user_data`.
    """

    def __init__(self, ring: "Ring", listening: socket.socket) -> None:
        listening.setblocking(False)
        self._ring, self._listening = ring, listening
        self._remembers: Callable[[socket.socket], socket.socket] | None = getattr(listening, "remember", None)
        self._ask()

    def connection(self, completion: "Completion") -> socket.socket:
        """Return the connection that was accepted. Raise what `ListeningSocket.accept` raises."""
        if completion.kind != ACCEPT:  # somebody is there, after an accept failed
            self._ask()
            return self._listening.accept()[0]
        if completion.res < 0:
            # Stopped, or out of descriptors. Then an accept in the ring fails even if nobody is
            # there, and asking again at once would spin: wait for somebody, and use accept(2).
            self._ring.prepare_poll(self._listening.fileno(), select.POLLIN, self._listening.fileno())
            raise OSError(-completion.res, os.strerror(-completion.res))
        if not completion.flags & CQE_F_MORE:
            self._ask()
        return self._remember(socket.socket(fileno=completion.res))

    def _remember(self, connection: socket.socket) -> socket.socket:
        # The ring keeps to the limit that held when the accept was asked for.
        if connection.fileno() >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 0:
            connection.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "no descriptor left for this connection")
        try:
            return self._remembers(connection) if self._remembers else connection
        except SystemExit:  # stopped; but more that were accepted may wait in the queue behind this one
            raise ConnectionAbortedError(errno.ECONNABORTED, "the server stops") from None

    def _ask(self) -> None:
        descriptor = self._listening.fileno()
        self._ring.prepare_accept_multishot(descriptor, socket.SOCK_CLOEXEC, descriptor)


def _cancel_all(ring: "Ring") -> None:
    # Until an operation ends, the kernel holds its socket open and may write into its buffer.
    ring.submit()
    _call(REGISTER, ring.fd, REGISTER_SYNC_CANCEL, _CANCEL.pack(0, -1, CANCEL_ALL | CANCEL_ANY, -1, -1), 1)
    while ring.pending_count():
        for completion in submit_and_wait(ring):
            if completion.kind == ACCEPT and completion.res >= 0:
                os.close(completion.res)


def why_not() -> str | None:
    """Say why no ring can be had here, or return None: one is asked for, and given back."""
    if sys.platform != "linux":
        return "only the Linux kernel has io_uring"
    if importlib.util.find_spec("uring_api") is None:
        return "uring-api is not installed; pip install 'iolab[models]'"
    try:
        os.close(_call(SETUP, 2, _PARAMS.pack(SINGLE_ISSUER | DEFER_TASKRUN)))
    except OSError as error:
        return _reason(error)
    return None


def _reason(error: OSError) -> str:
    release = platform.release()
    reasons = {
        errno.EPERM: _who_forbids(),
        errno.EACCES: "a security module of this system forbids io_uring (`dmesg` may say more)",
        errno.ENOSYS: f"this kernel ({release}) has no io_uring, or a sandbox hides it: it came with Linux 5.1",
        errno.EINVAL: f"this kernel ({release}) has io_uring, but not all that is used here: that came with Linux 6.1",
        errno.ENOMEM: "the kernel has no memory for a ring, or the limit on locked memory (`ulimit -l`) is too low",
    }
    return reasons.get(error.errno or 0, f"io_uring_setup failed: {error.strerror}")


def _who_forbids() -> str:
    # 1: only for privileged processes and one group; 2: for none (Documentation/admin-guide/sysctl/kernel.rst).
    disabled = _read(DISABLED).strip()
    if disabled in ("1", "2"):
        return f"this system has io_uring turned off: the sysctl kernel.io_uring_disabled is {disabled}"
    if "Seccomp:\t2" in _read(STATUS):
        return "a seccomp filter forbids io_uring_setup, as those of Docker and of Binder do"
    return "this system forbids io_uring_setup (EPERM), though neither its sysctl nor a seccomp filter does"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the sysctl came with Linux 6.6
        return ""


def _call(number: int, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(word) if isinstance(word, int) else ctypes.create_string_buffer(word) for word in arguments]
    while True:
        result: int = libc.syscall(ctypes.c_long(number), *words)
        if result >= 0:
            return result
        if ctypes.get_errno() != errno.EINTR:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
