"""The signals that sockets raise, one by one: what the kernel says in each, and how many there are."""

import select
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socket import IPPROTO_TCP, create_server, socket

from iolab.display.tables import Table
from iolab.kernel.signals import F_SETSIG, READY, SIGNALS, Interest, descriptor_of, why_not
from iolab.traffic import faults

__all__ = ["F_SETSIG", "SIGNALS", "Interest", "descriptor_of", "hear", "segments", "taps", "tcp_pair"]

TCP_INFO, SEGMENTS = 11, struct.Struct("=152xI")
"""`tcp(7)`, and where in it is tcpi_data_segs_in (<linux/tcp.h>)."""

SETTLE_S = 0.02
"""A segment takes microseconds over loopback; a busy machine may deliver it a little later."""

EVENTS = {1: "POLL_IN", 2: "POLL_OUT", 3: "POLL_MSG", 4: "POLL_ERR", 5: "POLL_PRI", 6: "POLL_HUP", 128: "SI_KERNEL"}
"""The names of `si_code` (`sigaction(2)`); SI_KERNEL says only that the kernel sent it."""


def taps(act: Callable[[], object], *armed: socket) -> Table:
    """Arm sockets, act, and return the signals that this thread received meanwhile, one row each.

    Without such signals the table is empty, and its caption says why.
    """
    if reason := why_not():
        return Table([], reason)
    with Interest() as interest:  # from here on both signals are blocked in this thread
        for sock in armed:
            interest.register(sock)
        act()
        time.sleep(SETTLE_S)
        return Table(_queued(), "signals, in the order in which they were taken")


def tcp_pair() -> tuple[socket, socket]:
    """Return the two ends of a TCP connection; the second sends without Nagle's delay."""
    with create_server(("127.0.0.1", 0)) as listening:
        peer = faults.connect(listening.getsockname())
        return listening.accept()[0], peer


def hear(act: Callable[[socket], object]) -> dict[str, str]:
    """Let the peer of a connection act, twice: say what the signals tell of it, and what `epoll` tells."""
    with ExitStack() as stack:
        ours, peer = map(stack.enter_context, tcp_pair())
        signals = [str(tap["event"]) for tap in taps(lambda: act(peer), ours)]
        ours, peer = map(stack.enter_context, tcp_pair())
        watching = stack.enter_context(select.epoll())
        watching.register(ours, select.EPOLLIN | select.EPOLLRDHUP)
        act(peer)
        ((_, events),) = watching.poll(1)
    names = [name for name in ("EPOLLIN", "EPOLLRDHUP", "EPOLLHUP", "EPOLLERR") if events & getattr(select, name)]
    return {"its signals": " ".join(signals), "epoll": " ".join(names)}


def segments(connection: socket) -> int:
    """Return how many segments with data a TCP connection has received."""
    (count,) = SEGMENTS.unpack(connection.getsockopt(IPPROTO_TCP, TCP_INFO, SEGMENTS.size))
    return int(count)


def _queued() -> Iterator[dict[str, str | int | None]]:
    while info := signal.sigtimedwait(SIGNALS, 0):
        yield {
            "signal": signal.Signals(info.si_signo).name,
            "descriptor": descriptor_of(info) if info.si_signo == READY else None,
            "event": EVENTS.get(info.si_code, str(info.si_code)),
        }
