"""Who brings the bytes: a program asks for them, makes no other call, and then looks where they are.

Where the kernel lets its tracepoints be seen, it also says whose thread copied them.
"""

import errno
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Thread, Timer, get_native_id

from iolab.kernel import aio, linux_aio, threads, tracepoints, uring
from iolab.kernel.aio import Requests
from iolab.kernel.ring import FLAGS, Ring
from iolab.models import needs_poll
from iolab.settings import AIO_HELPERS

__all__ = [
    "BYTES", "DELIVERY_LIMIT_S", "RING_LIMIT_S", "WAYS", "Delivery", "Requests", "ask_ring", "deliver",
    "helper_threads", "replies", "submit", "unread", "without_io_uring",
]  # fmt: skip

BYTES = b"brought"
DELIVERY_LIMIT_S = 5.0
"""How long a busy machine may take to run the thread that brings the bytes; a quiet one takes 0.1 ms."""

RING_LIMIT_S = 0.01
"""How long to wait for a ring: it has no thread that could be late, so what is not there at once does not come."""


@dataclass(frozen=True, repr=False)
class Delivery:
    """How often bytes that were asked for were in the program's memory before it made another call."""

    way: str
    asked: int
    brought: int
    why_not: str | None = None
    copied_by: str | None = None
    """Whose thread copied; None where the kernel's tracepoints may not be seen."""

    def __repr__(self) -> str:
        return ", ".join(f"{name}: {value}" for name, value in self.row().items() if value)

    def row(self) -> dict[str, str | int]:
        """Return the delivery as a row of a table."""
        return {
            "the program asks with": self.way,
            "bytes came without another call that receives": self.why_not or f"{self.brought} of {self.asked} times",
            "copied by": self.copied_by or ("" if self.why_not else "this machine does not show it"),
        }


def deliver(way: str, times: int = 20) -> Delivery:
    """Ask for bytes in one of WAYS, a number of times, each time on new connected sockets."""
    ask, probe = WAYS[way]
    if why_not := probe():
        return Delivery(way, 0, 0, why_not)
    with _copying_threads() as copying:
        brought = sum(_once(ask) for _ in range(times))
    return Delivery(way, times, brought, None, _name_of(copying))


@contextmanager
def _copying_threads() -> Iterator[set[int]]:
    """Fill a set with the threads of this process that copied received bytes meanwhile, if that may be seen."""
    copying = set[int]()
    if tracepoints.why_not():
        yield copying
        return
    with tracepoints.Tracepoints([tracepoints.COPY]) as steps:
        yield copying
        copying |= {step.thread for step in steps.read(threads.task_ids()) if step.fields["len"] == len(BYTES)}


def _name_of(copying: set[int]) -> str | None:
    others = copying - {get_native_id()}
    if not copying:
        return None
    return "the thread that asked" if not others else "another thread" if others == copying else "several threads"


def helper_threads(pending: int) -> int:
    """Return how many threads this process gains while so many reads of `aio(7)` are pending.

    A helper thread that worked within the last second is used again, and not counted. 0 where there is no `aio(7)`.
    """
    if aio.why_not():
        return 0
    with ExitStack() as stack, aio.Requests() as requests:
        servers = [stack.enter_context(end) for _ in range(pending) for end in socket.socketpair()][::2]
        before = len(threads.task_ids())
        for server in servers:
            requests.read(server.fileno(), len(BYTES))
        return len(threads.task_ids()) - before


def replies(helpers: int, asking: int, silent: int) -> int:
    """Count the replies of `aio` with so few helpers, in a process of its own, to clients that ask 20 times each."""
    work = f"connections={asking}, requests={20 * asking}, idle={silent}, patience_s=1"
    script = f"import iolab; print(len(iolab.measure('aio', {work}, recorded='06-aio-{helpers}-{silent}').records))"
    env = os.environ | {AIO_HELPERS: str(helpers)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True)
    return int(done.stdout.split()[-1])


def without_io_uring(script: str) -> str:
    """Run a script in a process that is refused io_uring, as in a container, and return what it prints."""
    refuse = "import iolab.kernel.confinement as it; it.refuse(it.IO_URING_SETUP)"
    lines = ([refuse] if sys.platform == "linux" else []) + [script]  # elsewhere there is none
    return subprocess.check_output([sys.executable, "-c", "\n".join(lines)], text=True)


def submit(blocking: bool, silence_s: float = 0.2) -> dict[str, str | float]:
    """Ask a silent socket for bytes by `io_submit(2)`; they are sent after a while. Return a row of a table."""
    row: dict[str, str | float] = {"a socket that is": "blocking" if blocking else "non-blocking"}
    if reason := linux_aio.why_not():
        return row | {"io_submit brought": reason}
    server, client = socket.socketpair()
    with server, client:
        server.setblocking(blocking)
        later = threads.start(Timer(silence_s, client.sendall, [BYTES]))
        taken_ns, result, received = linux_aio.read(server.fileno(), len(BYTES))
        later.join()
    brought = repr(received) if result >= 0 else errno.errorcode[-result]
    return row | {"io_submit took (ms)": taken_ns / 1e6, "io_submit brought": brought}


def unread(connection: socket.socket) -> int:
    """Return how many bytes wait in the kernel's receive buffer (`FIONREAD`, tcp(7))."""
    import fcntl  # Windows has neither
    import termios

    return int(struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, b"0000"))[0])


def with_poll(server: socket.socket, client: socket.socket) -> bool:
    """Ask to be told; where the bytes should go, the kernel does not know."""
    watching = select.poll()
    watching.register(server, select.POLLIN)
    _send(client)
    watching.poll()
    brought = not unread(server)
    server.recv(len(BYTES))
    return brought


def with_aio_read(server: socket.socket, client: socket.socket) -> bool:
    """Ask the C library for the bytes."""
    with aio.Requests() as requests:
        requests.read(server.fileno(), len(BYTES))
        _send(client)
        return _left_the_kernel(server) and requests.wait()[0][2] == BYTES


def with_io_uring(server: socket.socket, client: socket.socket) -> bool:
    """Ask in a ring like that of the server: the kernel copies when this thread waits."""
    return ask_ring(server, client, FLAGS)


def with_plain_ring(server: socket.socket, client: socket.socket) -> bool:
    """Ask in a ring without flags: the kernel interrupts this thread, and copies in it."""
    return ask_ring(server, client, 0)


def ask_ring(server: socket.socket, client: socket.socket, flags: int) -> bool:
    """Ask for the bytes in a ring with these flags, let another thread send them, and look whether they come."""
    with Ring(len(BYTES), 1, flags) as ring:
        ring.receive(server.fileno())
        ring.submit()
        _send(client)
        brought = _left_the_kernel(server, RING_LIMIT_S)
        return ring.wait()[0][-1] == BYTES and brought


WAYS: dict[str, tuple[Callable[[socket.socket, socket.socket], bool], Callable[[], str | None]]] = {
    "poll": (with_poll, needs_poll),
    "aio_read": (with_aio_read, aio.why_not),
    "io_uring": (with_io_uring, uring.why_not),
    "io_uring without flags": (with_plain_ring, uring.why_not),
}
"""By name: one request for bytes, and what says why it cannot be made here."""


def _once(ask: Callable[[socket.socket, socket.socket], bool]) -> bool:
    server, client = socket.socketpair()
    with server, client:
        return ask(server, client)


def _send(client: socket.socket) -> None:
    threads.start(Thread(target=client.sendall, args=(BYTES,))).join()  # so that who copies is not who sends


def _left_the_kernel(server: socket.socket, within_s: float = DELIVERY_LIMIT_S) -> bool:
    deadline = time.monotonic() + within_s
    while unread(server) and time.monotonic() < deadline:
        time.sleep(0.0001)  # another thread brings them, and this one must not hold its CPU
    return not unread(server)
