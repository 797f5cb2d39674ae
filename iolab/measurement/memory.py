"""The memory of this process, and the kernel's."""

import ctypes
import os
import re
import resource
import sys
import time
from collections.abc import Mapping
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


def proportional_bytes(pid: int) -> int:
    """Return a process's part of the memory that it holds: what N processes share counts for each as one Nth (Pss).

    It takes the kernel a third of a millisecond (`proc_pid_smaps_rollup(5)`); 0 for a process that has ended.
    """
    match = re.search(rb"\nPss:\s+(\d+)", _contents(Path(f"/proc/{pid}/smaps_rollup")))
    return int(match[1]) * 1024 if match else 0


FREE_S, STEP_S = 2.0, 0.1
"""How long the kernel may take to free what ended before, some 0.3 s, and how often it is asked."""

ROOM_BYTES = 16 << 10

KERNEL = {
    "kernel_stacks": ("meminfo", rb"KernelStack:\s+(\d+)", 1024),
    "slab": ("meminfo", rb"Slab:\s+(\d+)", 1024),
    "page_tables": ("self/status", rb"VmPTE:\s+(\d+)", 1024),
    "buffers": ("net/sockstat", rb"TCP:.* mem (\d+)", os.sysconf("SC_PAGE_SIZE")),
}
"""What the kernel holds, by name: the file, the line and its unit.

Page tables are this process's; all else is the machine's. A connection over loopback has both ends in it.
`slab` is SReclaimable and SUnreclaim: sockets, descriptors, threads (`proc_meminfo(5)`).
"""


def kernel_bytes(proc: Path = Path("/proc")) -> dict[str, int]:
    """Return what the kernel holds now of each kind in KERNEL, as far as /proc tells."""
    contents = {file: _contents(proc / file) for file in {file for file, _, _ in KERNEL.values()}}
    matches = {name: (re.search(pattern, contents[file]), unit) for name, (file, pattern, unit) in KERNEL.items()}
    return {name: int(match[1]) * unit for name, (match, unit) in matches.items() if match}


def await_free_slab(proc: Path = Path("/proc")) -> None:
    """Wait until the kernel has freed the sockets and threads of an earlier run: it takes its time (RCU)."""
    until, slab, before = time.monotonic() + FREE_S, kernel_bytes(proc).get("slab", 0), float("inf")
    while slab < 0.999 * before and time.monotonic() < until:
        time.sleep(STEP_S)
        before, slab = slab, kernel_bytes(proc).get("slab", 0)


def growth_bytes(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return by how much each kind grew; what shrank meanwhile was another's, and counts as nothing."""
    return {name: max(0, after[name] - before[name]) for name in before if name in after}


def thread_count() -> int:
    """Return how many threads this process has, those that Python cannot see included; 0 where /proc does not tell."""
    match = re.search(rb"Threads:\s+(\d+)", _contents(Path("/proc/self/status")))
    return int(match[1]) if match else 0


def _contents(path: Path) -> bytes:
    """Return a small file of /proc, empty if there is none; read at every tick, and a file object costs five times.

    A process may end between `open` and `read`, which is ESRCH then.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.read(descriptor, ROOM_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        return b""


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
