"""What O_NONBLOCK does for a regular file: nothing (open(2)). A read sleeps until the disk has answered."""

import os
import resource
import tempfile
from dataclasses import dataclass
from pathlib import Path

APART_BYTES = 64 << 10
"""So far apart no read fetches what the next one asks for."""

PERSISTENT = Path("/var/tmp")  # noqa: S108  /tmp is in memory on many machines, this folder is not (hier(7))


@dataclass(frozen=True, repr=False)
class FileReads:
    """Reads of a file that is opened with O_NONBLOCK and not in memory: how many slept, and how many said EAGAIN."""

    asked: int
    slept: int
    slept_again: int
    """How many slept when the same was read again, from memory."""
    refused: int
    why_not: str | None = None

    def __repr__(self) -> str:
        return self.why_not or ", ".join(f"{name} {count}" for name, count in self.row().items())

    def row(self) -> dict[str, str | int]:
        """Return the reads as a row of a table."""
        return {"reads": self.asked, "slept": self.slept, "said EAGAIN": self.refused, "slept again": self.slept_again}


def read_file(times: int = 20, folder: Path | None = None) -> FileReads:
    """Write a file, have the kernel forget it, and read a byte here and there with O_NONBLOCK."""
    if not hasattr(os, "posix_fadvise") or not hasattr(resource, "RUSAGE_THREAD"):
        return FileReads(0, 0, 0, 0, "this system cannot be asked to forget a file, or who slept")
    folder = folder or (PERSISTENT if os.access(PERSISTENT, os.W_OK) else Path(tempfile.gettempdir()))
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(os.urandom(times * APART_BYTES))
        file.flush()
        descriptor = os.open(file.name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return _read(descriptor, times)
        finally:
            os.close(descriptor)


def _read(descriptor: int, times: int) -> FileReads:
    os.fsync(descriptor)  # what is not on the disk yet cannot be forgotten
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    first, again = (
        [_one(descriptor, number * APART_BYTES) for number in range(times)] for _ in ("from the disk", "from memory")
    )
    slept, slept_again = (sum(sleeps > 0 for sleeps, _ in reads) for reads in (first, again))
    refused = sum(no for _, no in first)
    if not slept + refused:
        return FileReads(times, 0, slept_again, 0, "the kernel had the file in memory all the time")
    return FileReads(times, slept, slept_again, refused)


def _one(descriptor: int, offset: int) -> tuple[int, bool]:
    """Return how often a read slept, and whether it said EAGAIN. A preemption is no sleep (getrusage(2))."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    try:
        os.pread(descriptor, 1, offset)
    except BlockingIOError:
        return 0, True
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before, False
