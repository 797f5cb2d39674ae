"""What other processes took of the CPUs that a measurement ran on (`proc_stat(5)`)."""

import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from iolab.workers.apart import Workers

STAT = Path("/proc/stat")
BUSY = (0, 1, 2, 7)
"""Columns of a CPU: user, nice, system and steal. Interrupts are left out: most of them are the load's own packets."""

TICKS_PER_S = 250
"""How often the kernel looks at what a CPU does (CONFIG_HZ); where it is 100, the share is less certain than this."""


@dataclass(frozen=True)
class Reading:
    """What some CPUs did until now, and what of it was ours, in seconds; None where it cannot be read."""

    at_s: float
    busy_s: float | None
    ours_s: float


class Neighbours:
    """Watch some CPUs, from now on, for what neither this process nor its client uses."""

    def __init__(self, cpus: Iterable[int], client: int, workers: Workers | None = None) -> None:
        self._cpus, self._client, self._workers = set(cpus), client, workers
        self._before = self._read()

    def share(self) -> float | None:
        """Return the least that others have taken of one core; None if it is unknown.

        The kernel counts by looking at every tick: the share is what it counted, less twice the
        uncertainty of that count. A short run says little, and 0 is returned.
        """
        before, after = self._before, self._read()
        wall_s = after.at_s - before.at_s
        if before.busy_s is None or after.busy_s is None or wall_s <= 0:
            return None
        share = (after.busy_s - before.busy_s - (after.ours_s - before.ours_s)) / wall_s
        uncertain = math.sqrt(len(self._cpus) / 4 / (wall_s * TICKS_PER_S))
        return max(0.0, share - 2 * uncertain)

    def _read(self) -> Reading:
        # The CPU clock of a process has this number (linux/posix-timers.h); /proc/stat is there on Linux alone.
        busy_s = busy(self._cpus)
        client_s = 0.0 if busy_s is None else time.clock_gettime((~self._client << 3) | 2)
        workers_s = self._workers.cpu_ns / 1e9 if self._workers else 0.0
        return Reading(time.perf_counter(), busy_s, time.process_time() + client_s + workers_s)


def busy(cpus: set[int]) -> float | None:
    """Return how long some CPUs have been busy, in seconds, added up; None if the kernel does not say."""
    if not cpus:
        return None
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return None
    columns = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("cpu")}
    times = [columns[f"cpu{cpu}"] for cpu in cpus if f"cpu{cpu}" in columns]
    return sum(int(column[number]) for column in times for number in BUSY) / os.sysconf("SC_CLK_TCK")
