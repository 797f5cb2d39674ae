"""What each worker did: one row a worker, in memory that all processes of a server share.

A row is written by its worker, and by the parent when there is none. Whoever reads needs no lock: each number is an
aligned word of 64 bits, which a reader sees whole.
"""

import mmap
import os
import time
from dataclasses import dataclass, fields
from typing import Self

ROWS = 16_384
"""Most workers at once; pages of the table that nobody writes to take no memory (`memfd_create(2)`)."""


RETRIES = 1000
"""A parent that was killed writes no more, and is not waited for."""


@dataclass
class Row:
    """One worker's place, and what all that had it did: one after the other, if one died."""

    pid: int = 0
    """The process that has the place now; 0 if there is none."""
    connections: int = 0
    """How many it accepted or was handed."""
    open: int = 0
    """How many of them are open now."""
    requests: int = 0
    vain: int = 0
    """How often it called `accept` and there was nothing."""
    cpu_ns: int = 0
    """The CPU time of those that had the place before, as the kernel told when they were reaped."""
    deaths: int = 0
    """How many of those ended by a signal or an exception."""


COLUMNS = {field.name: number for number, field in enumerate(fields(Row))}
WIDTH = len(COLUMNS)


class Ledger:
    """The table; the first word is how many rows were ever used."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, 8 * (1 + ROWS * WIDTH))
        self._words = memoryview(self._map).cast("q")

    @classmethod
    def create(cls) -> Self:
        """Make an empty table in memory that children inherit by its descriptor."""
        descriptor = os.memfd_create("iolab workers")
        os.ftruncate(descriptor, 8 * (1 + ROWS * WIDTH))
        return cls(descriptor)

    def close(self) -> None:
        """Let go of the memory; nothing can be read any more."""
        self._words.release()
        self._map.close()  # which holds a descriptor of its own
        os.close(self.descriptor)

    def take(self) -> int:
        """Return the number of a row that nobody has. Raise OSError if all are taken."""
        for row in range(ROWS):
            if not self.get(row, "pid"):
                self._words[0] = max(self._words[0], row + 1)
                return row
        raise OSError("no row is free for one more worker")

    def get(self, row: int, column: str) -> int:
        """Return one number."""
        return self._words[1 + row * WIDTH + COLUMNS[column]]

    def set(self, row: int, column: str, value: int) -> None:
        """Write one number."""
        self._words[1 + row * WIDTH + COLUMNS[column]] = value

    def add(self, row: int, column: str, value: int = 1) -> None:
        """Add to one number; nobody else may write to this row meanwhile."""
        self._words[1 + row * WIDTH + COLUMNS[column]] += value

    def rows(self) -> list[Row]:
        """Return what every worker did until now, its CPU time up to this moment in it."""
        return [self._row(number) for number in range(self._words[0])]

    def _row(self, number: int) -> Row:
        start = 1 + number * WIDTH
        for _ in range(RETRIES):
            row = Row(*self._words[start : start + WIDTH])
            try:
                row.cpu_ns += time.clock_gettime_ns(clock_of(row.pid)) if row.pid else 0
            except OSError:  # it was reaped since, and the parent is about to write what it used
                time.sleep(0)
                continue
            break
        return row


def clock_of(pid: int) -> int:
    """Return the number of a process's CPU clock, as `clock_getcpuclockid(3)` computes it."""
    return ~pid << 3 | 2  # CPUCLOCK_SCHED of a process (linux/posix-timers.h)
