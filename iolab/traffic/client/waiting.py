"""Ways to wait until a connection is ready, or a request is due: asleep, or awake all the time."""

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


class Interest(Protocol):
    """The descriptors that are watched."""

    register: Any
    modify: Any
    idle_ns: int
    """CPU time that went into waiting itself."""

    @property
    def timer(self) -> int | None:
        """A descriptor of its own, which is among those that are ready when it is time."""

    def wait(self, until_ns: int) -> Ready:
        """Return what is ready, as soon as anything is, and nothing when it is time."""


class Sleeping:
    """Sleep in `epoll_wait` until something is ready, or the timer is.

    The timeouts of epoll_wait are milliseconds, and one at every wait costs a timer of the kernel: so a
    timer without slack (`timerfd_create(2)`) is among what is watched.
    """

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.register, self.modify, self.poll = self.epoll.register, self.epoll.modify, self.epoll.poll
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
    """Ask `epoll_wait` again and again: it takes a CPU, and leaves the client's own wake-up out of every time."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.register, self.modify, self.poll = self.epoll.register, self.epoll.modify, self.epoll.poll
        self.timer: None = None
        self.idle_ns = 0

    def wait(self, until_ns: int) -> Ready:
        """Stay awake until then, or until something is ready."""
        poll = self.poll
        found = poll(0)
        if not found:
            begin_ns = time.process_time_ns()
            while not found and clock() < until_ns:
                found = poll(0)
            self.idle_ns += time.process_time_ns() - begin_ns
        return found


class Polling:
    """Sleep in `poll`, on systems that have no epoll; its timeouts are milliseconds."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self.register, self.modify = self._poll.register, self._poll.modify
        self.timer: None = None
        self.idle_ns = 0

    def wait(self, until_ns: int) -> Ready:
        """Sleep until then, or until something is ready."""
        return self._poll.poll(None if until_ns == NEVER else max(0, until_ns - clock()) / 1e6)


def interest(spin: bool) -> Interest:
    """Return the way to wait that was asked for, as far as this system has it."""
    if not hasattr(select, "epoll"):
        return Polling()
    return Spinning() if spin else Sleeping()
