"""Signal-driven I/O, where the standard library does not reach (`fcntl(2)`, `signal(7)`, `sigaction(2)`).

A socket is armed: from then on the kernel queues a realtime signal to one thread whenever
the socket becomes ready, and the signal says which socket it was.
"""

import fcntl
import os
import signal
import socket
import struct
import sys
import threading
import weakref
from typing import Self

# Python has the first on Linux alone, and the others not in every version.
F_SETSIG, F_SETOWN_EX, F_OWNER_TID = 10, 15, 0
_OWNER = struct.Struct("@ii")

READY: int = getattr(signal, "SIGRTMIN", 0)
"""The realtime signal that says which descriptor is ready; unlike others, it waits in a queue."""

SIGNALS = frozenset({READY, getattr(signal, "SIGIO", 0)})
"""What to wait for: READY, or SIGIO in its place when the queue was full (`setrlimit(2)`, RLIMIT_SIGPENDING)."""


class Interest:
    """The sockets whose signals the calling thread takes, between entry and end of a `with` block.

    In the block both signals are blocked in this thread, since their default action ends
    the process; no other thread is sent one. The end disarms the sockets, discards the
    signals that are still queued, and restores the thread's mask.
    """

    def __init__(self) -> None:
        self._armed: dict[int, weakref.ref[socket.socket]] = {}
        self._mask: set[int] = set()

    def register(self, sock: socket.socket) -> None:
        """Have this thread sent READY whenever the socket becomes readable or writable.

        What is there already raises no signal.
        """
        self._armed[sock.fileno()] = weakref.ref(sock)
        fcntl.fcntl(sock, F_SETSIG, READY)
        # The thread and not the process: the kernel would pick any thread that does not
        # block the signal, and end the process there.
        fcntl.fcntl(sock, F_SETOWN_EX, _OWNER.pack(F_OWNER_TID, threading.get_native_id()))
        fcntl.fcntl(sock, fcntl.F_SETFL, fcntl.fcntl(sock, fcntl.F_GETFL) | os.O_ASYNC)

    def unregister(self, descriptor: int) -> None:
        """Have this thread sent no more signals of a socket that was registered; those in the queue stay there."""
        del self._armed[descriptor]
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_ASYNC)

    def discard(self) -> None:
        """Take the signals that are queued for this thread, unseen."""
        while signal.sigtimedwait(SIGNALS, 0):
            pass

    def __enter__(self) -> Self:
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor, armed in list(self._armed.items()):
            sock = armed()
            if sock is not None and sock.fileno() == descriptor:
                self.unregister(descriptor)
        self.discard()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


def descriptor_of(info: "signal.struct_siginfo") -> int:
    """Return the descriptor that a signal is about; -1 for a signal that somebody else sent."""
    # Python leaves si_fd out. On 64-bit Linux it lies where another signal has si_status.
    return info.si_status if info.si_code > 0 else -1


def why_not() -> str | None:
    """Say why the kernel cannot tell by a signal which descriptor is ready, or return None."""
    if sys.platform != "linux" or sys.maxsize <= 1 << 32:
        return "only Linux has signals that carry a descriptor (F_SETSIG), and here they are read on 64-bit machines"
    ours, peer = socket.socketpair()
    with ours, peer:
        try:
            fcntl.fcntl(ours, F_SETSIG, READY)
            fcntl.fcntl(ours, F_SETOWN_EX, _OWNER.pack(F_OWNER_TID, threading.get_native_id()))
        except OSError as error:
            return f"this kernel does not send a signal that carries its descriptor: {error.strerror}"
    return None
