"""Ways to wait until a connection is ready or a request is due: asleep, or awake all the time."""

import ctypes
import os
import select
import sys
import time
from typing import Any, Protocol

NEVER = sys.maxsize
clock = time.perf_counter_ns

Ready = list[tuple[int, int]]
"""Descriptors that are ready, each with its events."""


class Waiter(Protocol):
    """The descriptors that are watched, and the wait for them."""

    register: Any
    modify: Any
    unregister: Any
    idle_ns: int
    """CPU time that went into waiting itself."""

    @property
    def timer(self) -> int | None:
        """A descriptor of the waiter's own, which becomes ready when the time has come."""

    def wait(self, until_ns: int) -> Ready:
        """Return what is ready as soon as anything is, or nothing once the time has come."""


class Sleeping:
    """Sleep in `epoll_wait` until something is ready, or the timer is.

    Timeouts of epoll_wait are in milliseconds, and one at every wait costs the kernel a timer: so a
    timer without slack (`timerfd_create(2)`) is one of the descriptors that are watched.
    """

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.register, self.modify, self.poll = self.epoll.register, self.epoll.modify, self.epoll.poll
        self.unregister = self.epoll.unregister
        libc = ctypes.CDLL(None, use_errno=True)
        self.timer: int = libc.timerfd_create(1, os.O_CLOEXEC | os.O_NONBLOCK)  # CLOCK_MONOTONIC
        self.idle_ns = 0
        self._at_ns, self._at, self._set = NEVER, (ctypes.c_long * 4)(), libc.timerfd_settime
        # Edge-triggered: a timer that has fired need not be read (timerfd_create(2), epoll(7)).
        self.register(self.timer, select.EPOLLIN | select.EPOLLET)

    def wait(self, until_ns: int) -> Ready:
        """Sleep until then, or until something is ready."""
        if until_ns != self._at_ns and until_ns != NEVER:
            self._at_ns = until_ns
            self._at[2], self._at[3] = divmod(until_ns, 1_000_000_000)  # struct itimerspec: no interval, and when
            self._set(self.timer, 1, self._at, None)  # TFD_TIMER_ABSTIME
        return self.poll()


class Spinning:
    """Ask `epoll_wait` again and again: it uses a whole CPU, and no time contains a wake-up of the client."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.register, self.modify, self.poll = self.epoll.register, self.epoll.modify, self.epoll.poll
        self.unregister = self.epoll.unregister
        self.timer: None = None
        self.idle_ns = 0

    def wait(self, until_ns: int) -> Ready:
        """Stay awake until then, or until something is ready."""
        poll = self.poll
        ready = poll(0)
        if not ready:
            begin_ns = time.process_time_ns()
            while not ready and clock() < until_ns:
                ready = poll(0)
            self.idle_ns += time.process_time_ns() - begin_ns
        return ready


class Polling:
    """Sleep in `poll` on systems without epoll; its timeouts are in milliseconds."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register, self.modify, self.unregister = self._poll.register, self._poll.modify, self._poll.unregister
        self.timer: None = None
        self.idle_ns = 0

    def wait(self, until_ns: int) -> Ready:
        """Sleep until then, or until something is ready."""
        return self._poll.poll(None if until_ns == NEVER else max(0, until_ns - clock()) / 1e6)


def choose_waiter(spin: bool) -> Waiter:
    """Return the waiter that was asked for, as far as this system has it."""
    if not hasattr(select, "epoll"):
        return Polling()
    return Spinning() if spin else Sleeping()
