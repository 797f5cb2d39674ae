"""The memory of this process."""

import ctypes
import os
import resource
import sys
from pathlib import Path

LIVED_BYTES = 4 << 20
"""A block as a process frees it that has lived for a while."""


def resident_bytes() -> int:
    """Return what this process holds in RAM now (`proc_pid_statm(5)`); elsewhere the most it ever held."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def settle() -> None:
    """Bring the heap into the state of a process that has lived for a while, so that no run depends on those before.

    In a young process glibc maps every block over 128 KiB anew, and unmaps it when it is freed: 15 us or more for
    each `recv` of asyncio, which makes room for 256 KiB. Once a larger block was freed, such blocks come from the heap
    (`mallopt(3)`, M_MMAP_THRESHOLD). What is free goes back to the kernel (`malloc_trim(3)`), so that what is taken
    next shows; where the C library has no such call, a reading may be too small.
    """
    bytearray(LIVED_BYTES)
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
