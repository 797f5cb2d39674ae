"""Where completion has no rival: files, which are always ready, so that readiness has nothing to say of them.

One thread makes one call at a time; a pool of threads makes as many as it has; a ring has as many
under way from one thread. Two works: small writes, each of which must be on the device, and small reads that
bypass the page cache (O_DIRECT). A read is truly asynchronous in the kernel; `fdatasync` is
made by threads of the kernel, so that a ring is a pool there as well.
"""

import mmap
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import local
from typing import ClassVar

from iolab.experiments.result import OnStep, Result, Row, quiet
from iolab.experiments.shape import Sign, at_least, at_most, over
from iolab.kernel import uring
from iolab.kernel.ring import Ring
from iolab.measurement.statistics import median_interval, pair

BLOCKING, POOL, RING = "one call at a time", "a pool of threads", "io_uring"
WRITES, READS = "durable writes", "direct reads"
BLOCK = os.urandom(4096)
BLOCKS = 4096
"""Blocks of the file that is read: 16 MiB."""

Ask = Callable[[Ring, int, int], None]
Call = Callable[[int, int], object]


@dataclass(frozen=True, repr=False)
class Files(Result):
    """Operations per second and their CPU time, one row a work and way."""

    name = "files"
    title = "4 KiB of a file at a time"
    keys: ClassVar[dict[str, str]] = {"work": "work", "way": "way"}
    figures: ClassVar[dict[str, str]] = {
        "per_s": "operations/s", "us_per_operation": "CPU µs each",
        "faster": "times the pool's rate", "faster_low": "from", "faster_high": "to",
        "times": "times the pool's CPU", "low": "from ", "high": "to ",
    }  # fmt: skip

    @property
    def signs(self) -> list[Sign]:
        """Whether a ring reads as much as a pool of threads, for less CPU time."""
        rate, cost = (
            over(*(self.value(figure, work=READS, way=way) for way in (RING, POOL)))
            for figure in ("per_s", "us_per_operation")
        )
        return [
            at_least(f"{READS}: rate, io_uring over the pool", rate, 1.0, fails_below=0.9),
            at_most(f"{READS}: CPU, io_uring over the pool", cost, 1.0, fails_above=1.1),
        ]


def files(
    at_once: int = 16, operations: int = 400, repeats: int = 6, directory: str | None = None, on_step: OnStep = quiet
) -> Files:
    """Do both works in each way, `at_once` at a time; six repeats are the fewest that give an interval."""
    rows: list[Row] = []
    for work in (WRITES, READS):
        runs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        reasons = dict.fromkeys(WAYS, "") | {RING: uring.why_not() or ""}
        try:
            with OPEN[work](at_once, directory) as descriptors:
                for repeat in range(repeats):
                    on_step(f"{work}, {repeat + 1} of {repeats}")
                    for way in random.sample(list(WAYS), len(WAYS)):
                        if not reasons[way]:
                            runs[way].append(_timed(WAYS[way], work, descriptors, operations))
        except OSError as error:  # tmpfs has no O_DIRECT before Linux 6.6
            reasons = dict.fromkeys(WAYS, f"this file system refuses it: {error.strerror}")
        rows += [_row(work, way, runs[way], runs[POOL], reasons[way]) for way in WAYS]
    return Files(tuple(rows), f"{at_once} at once, in a file system {_filesystem(directory)}")


def one_at_a_time(work: str, descriptors: Sequence[int], operations: int) -> None:
    """Make one call after the other."""
    for number in range(operations):
        CALLS[work](descriptors[number % len(descriptors)], number)


def pool(work: str, descriptors: Sequence[int], operations: int) -> None:
    """Let as many threads as there are descriptors make the same calls."""
    with ThreadPoolExecutor(len(descriptors)) as threads:
        numbers = range(operations)
        list(threads.map(CALLS[work], (descriptors[number % len(descriptors)] for number in numbers), numbers))


def ring(work: str, descriptors: Sequence[int], operations: int) -> None:
    """Give an order for every descriptor, and another for each that is done."""
    order, done = ORDERS[work], 0
    with Ring(len(BLOCK), 64) as one:
        for number, descriptor in enumerate(descriptors):
            order(one, descriptor, number)
        while done < operations:
            for _, descriptor, result, _, _ in one.submit_and_wait():
                if result < 0:
                    raise OSError(-result, os.strerror(-result))
                done += 1
                if done + len(descriptors) <= operations:
                    order(one, descriptor, done + len(descriptors) - 1)


WAYS: dict[str, Callable[[str, Sequence[int], int], None]] = {BLOCKING: one_at_a_time, POOL: pool, RING: ring}
"""By name: what does a work so often, on these descriptors."""


def write_durably(descriptor: int, _: int) -> None:
    """Write a block to the start of a file, and return once the device has it."""
    os.pwrite(descriptor, BLOCK, 0)
    os.fdatasync(descriptor)


def read_directly(descriptor: int, number: int) -> None:
    """Read a block past the page cache; that takes memory which begins at a page."""
    if not hasattr(_mine, "page"):
        _mine.page = mmap.mmap(-1, len(BLOCK))
    os.preadv(descriptor, [_mine.page], start_of(number))


def start_of(number: int) -> int:
    """Return where the block of this operation begins: far from those of its neighbours."""
    return number * 977 % BLOCKS * len(BLOCK)


_mine = local()
CALLS: dict[str, Call] = {WRITES: write_durably, READS: read_directly}
ORDERS: dict[str, Ask] = {
    WRITES: lambda one, descriptor, _: one.write_durably(descriptor, BLOCK),
    READS: lambda one, descriptor, number: one.read(descriptor, start_of(number)),
}


def _timed(
    way: Callable[[str, Sequence[int], int], None], work: str, descriptors: Sequence[int], operations: int
) -> tuple[float, float]:
    """Return operations per second, and the CPU time of one in us, all threads of this process together."""
    start_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
    way(work, descriptors, operations)
    took_ns, used_ns = time.perf_counter_ns() - start_ns, time.process_time_ns() - cpu_ns
    return operations / took_ns * 1e9, used_ns / operations / 1e3


def _row(
    work: str, way: str, ours: Sequence[tuple[float, float]], pool: Sequence[tuple[float, float]], reason: str
) -> Row:
    row = {"work": work, "way": way, **dict.fromkeys(Files.figures), "why_not": reason}
    if reason:
        return row
    (rates, costs), (their_rates, their_costs) = zip(*ours, strict=True), zip(*pool, strict=True)
    row |= {"per_s": round(median(rates), 1), "us_per_operation": round(median(costs), 2)}
    return (
        row
        | _held("times", "low", "high", costs, their_costs)
        | _held("faster", "faster_low", "faster_high", rates, their_rates)
    )


def _held(name: str, low: str, high: str, ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    times = median_interval(pair(ours, theirs))
    middle = {name: round(median([one / another for one, another in zip(ours, theirs, strict=True)]), 3)}
    return middle | ({low: round(times.low, 3), high: round(times.high, 3)} if times else {})


@contextmanager
def _open_many(count: int, directory: str | None) -> Iterator[list[int]]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=directory))
        descriptors = []
        for number in range(count):
            file = stack.enter_context(Path(folder, str(number)).open("wb", buffering=0))
            file.write(BLOCK)
            descriptors.append(file.fileno())
        yield descriptors


@contextmanager
def _open_direct(count: int, directory: str | None) -> Iterator[list[int]]:
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        path = Path(folder, "blocks")
        path.write_bytes(BLOCK * BLOCKS)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
        try:
            os.fsync(descriptor)
            yield [descriptor] * count
        finally:
            os.close(descriptor)


OPEN = {WRITES: _open_many, READS: _open_direct}


def _filesystem(directory: str | None) -> str:
    """Return the kind of the file system: on `tmpfs` there is no device to wait for."""
    place, kind = Path(directory or tempfile.gettempdir()).resolve(), ("", "an unknown file system")
    try:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, point, name, *_ = line.split()
            if place.is_relative_to(point) and len(point) >= len(kind[0]):
                kind = point, name
    except OSError:
        pass
    return kind[1]
