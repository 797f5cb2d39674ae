"""The memory of this process."""

import ctypes
import os
import resource
import sys
from pathlib import Path


def resident_bytes() -> int:
    """Return what this process holds in RAM now (`proc_pid_statm(5)`); elsewhere the most it ever held."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def trim() -> None:
    """Give back to the kernel what is free in this process (`malloc_trim(3)`), so that what is taken next shows.

    Does nothing where the C library has no such call: there a reading may be too small.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
