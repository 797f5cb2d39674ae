"""The CPU time of a server, read from outside its thread."""

import os
import resource
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iolab.display.units import count, short_time
from iolab.workers.apart import Workers


class CpuClock:
    """The CPU time of all threads of this process but the given ones.

    It is what the process used less what those threads used, so that threads of the
    server that have come and gone count, and so do helper threads that Python cannot see. Workers, the
    processes of a server, have clocks of their own, and come on top.
    """

    def __init__(self, others: Iterable[threading.Thread], workers: Workers | None = None) -> None:
        self._workers = workers
        # macOS has no such clocks: there it is the whole process.
        tasks = [thread.native_id for thread in others if thread.native_id] if sys.platform == "linux" else []
        self._clocks = {clock_of(task): 0 for task in tasks}

    def read_ns(self) -> int:
        """Return the CPU time used so far, in ns; half a microsecond a thread (`clock_gettime(2)`)."""
        total_ns = time.process_time_ns()
        for clock in self._clocks:
            try:
                self._clocks[clock] = time.clock_gettime_ns(clock)
            except OSError:  # the thread has ended; what it used stays in the process's total
                pass
        return total_ns - sum(self._clocks.values()) + (self._workers.cpu_ns if self._workers else 0)


def clock_of(task: int) -> int:
    """Return the number of a thread's CPU clock, by the kernel's number of the thread.

    `pthread_getcpuclockid(3)` computes the same, but reads it from the thread's memory, which
    is gone if the thread has ended; and Python lists some that have.
    """
    return ~task << 3 | 6  # CPUCLOCK_SCHED of one thread (linux/posix-timers.h)


@dataclass(frozen=True, repr=False)
class Usage:
    """What the server's threads used in one run (`getrusage(2)`)."""

    user_s: float
    system_s: float
    voluntary_switches: int
    involuntary_switches: int

    def __repr__(self) -> str:
        return (
            f"{short_time(self.user_s * 1e6)} outside the kernel, {short_time(self.system_s * 1e6)} in it; "
            f"gave up the CPU {count(self.voluntary_switches, 'time')}, "
            f"lost it {count(self.involuntary_switches, 'time')}"
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def __sub__(self, before: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) - getattr(before, name) for name in self.__dataclass_fields__))


def usage(processes: Iterable[int] = ()) -> Usage:
    """Return what all threads but the calling one have used so far, and other processes that serve."""
    process = resource.getrusage(resource.RUSAGE_SELF)
    here = resource.getrusage(resource.RUSAGE_THREAD) if hasattr(resource, "RUSAGE_THREAD") else None
    names = ("ru_utime", "ru_stime", "ru_nvcsw", "ru_nivcsw")
    own = Usage(*(getattr(process, name) - (getattr(here, name) if here else 0) for name in names))
    return sum(map(usage_of, processes), own)


def usage_of(pid: int) -> Usage:
    """Return what a process has used, by ticks of 10 ms (`proc_pid_stat(5)`); nothing for one that has ended."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return Usage(0, 0, 0, 0)
    user_s, system_s = (int(times[column]) / os.sysconf("SC_CLK_TCK") for column in (11, 12))
    switches = (
        int(status.partition(f"\n{name}_ctxt_switches:")[2].split()[0]) for name in ("voluntary", "nonvoluntary")
    )
    return Usage(user_s, system_s, *switches)


@dataclass(frozen=True, repr=False)
class CpuSamples:
    """Readings of a CpuClock: `at_ns` on the clock of the records, `cpu_ns` used by then."""

    at_ns: NDArray[np.int64]
    cpu_ns: NDArray[np.int64]

    def __repr__(self) -> str:
        used, wall = short_time(self.total_ns / 1e3), short_time(self.wall_ns / 1e3)
        return f"{used} of CPU time in {wall}, read {len(self.at_ns)} times"

    def since(self, start_ns: int) -> "CpuSamples":
        """Return the readings from the last one before this time on: those after a warm-up."""
        first = max(0, min(int(np.searchsorted(self.at_ns, start_ns, "right")) - 1, len(self.at_ns) - 2))
        return CpuSamples(self.at_ns[first:], self.cpu_ns[first:])

    def until(self, end_ns: int) -> "CpuSamples":
        """Return the readings up to this time: without intervals that lie after it by more than a tenth."""
        late = (self.at_ns[1:] - end_ns) / np.diff(self.at_ns)
        count = 1 + max(1, int((late <= 0.1).sum()))
        return CpuSamples(self.at_ns[:count], self.cpu_ns[:count])

    def share(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the middle of every interval (ns), and the share of one CPU used in it."""
        middle = (self.at_ns[1:] + self.at_ns[:-1]) / 2
        return middle, np.diff(self.cpu_ns) / np.diff(self.at_ns)

    @property
    def total_ns(self) -> int:
        """The CPU time from the first reading to the last."""
        return int(self.cpu_ns[-1] - self.cpu_ns[0])

    @property
    def wall_ns(self) -> int:
        """The time from the first reading to the last."""
        return int(self.at_ns[-1] - self.at_ns[0])
