"""io_uring: whether this process may have a ring, and an accept that fails as `accept(2)` does."""

import errno
import os
import platform
import resource
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from iolab.kernel.ring import ACCEPT, ASKED, FLAGS, PLACES, SETUP, Completion, Ring, call

DISABLED = Path("/proc/sys/kernel/io_uring_disabled")
STATUS = Path("/proc/self/status")


class MultishotAccept:
    """Accept in a ring, one order for all connections, and fail as the listening socket's `accept` does."""

    def __init__(self, ring: Ring, listening: socket.socket) -> None:
        listening.setblocking(False)
        self._ring, self._listening = ring, listening
        self._remembers: Callable[[socket.socket], socket.socket] | None = getattr(listening, "remember", None)
        ring.accept(listening.fileno())

    def connection(self, completion: Completion) -> socket.socket:
        """Return the connection that was accepted. Raise what `ListeningSocket.accept` raises.

        It must be told of every completion on the listening socket: after a failure one is a poll, not an accept.
        """
        operation, listening, result, more, _ = completion
        if operation != ACCEPT:  # somebody is there, after an accept failed
            self._ring.accept(listening)
            return self._listening.accept()[0]
        if result < 0:
            # Stopped, or out of descriptors. Then an accept in the ring fails even if nobody is
            # there, and asking again at once would spin: wait for somebody, and use accept(2).
            self._ring.poll(listening, select.POLLIN)
            raise OSError(-result, os.strerror(-result))
        if not more:
            self._ring.accept(listening)
        return self._remember(socket.socket(fileno=result))

    def _remember(self, connection: socket.socket) -> socket.socket:
        # The ring keeps to the limit that held when the accept was asked for.
        if connection.fileno() >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 0:
            connection.close()
            raise ConnectionAbortedError(errno.ECONNABORTED, "no descriptor left for this connection")
        try:
            return self._remembers(connection) if self._remembers else connection
        except SystemExit:  # stopped; but more that were accepted may wait in the queue behind this one
            raise ConnectionAbortedError(errno.ECONNABORTED, "the server stops") from None


def why_not() -> str | None:
    """Say why no ring can be had here, or return None: one is asked for, and given back."""
    if sys.platform != "linux":
        return "io_uring is an interface of the Linux kernel alone"
    try:
        os.close(call(SETUP, 2, ASKED.pack(0, 0, FLAGS, 0).ljust(PLACES.size, b"\0")))
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
