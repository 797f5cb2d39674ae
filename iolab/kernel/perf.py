"""Events of the kernel with their times, in a ring that it shares with this process (`perf_event_open(2)`).

Theory of operation. An event is a descriptor that belongs to one thread on one CPU: the kernel
refuses a ring to an event that threads started later inherit, unless it is bound to a CPU. So
there is a ring for each CPU, and each thread has an event on each of them. The first event of a CPU
maps its ring; all others write into it as well (PERF_EVENT_IOC_SET_OUTPUT).

A ring is a page with positions, then a power of two of pages, where records lie end to end and wrap.
It is read once, after the recording: to drain it meanwhile would take a CPU and the interpreter's
lock from the threads that are watched. A ring that is full takes nothing more, so what is missing
is the end, and the time of its last record tells from when.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NUMBERS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
"""The number of the system call, which the C library does not wrap."""

# <linux/perf_event.h>
SOFTWARE, TRACEPOINT, DUMMY = 1, 2, 9
SAMPLE_TID, SAMPLE_TIME, SAMPLE_CPU, SAMPLE_RAW = 1 << 1, 1 << 2, 1 << 7, 1 << 10
INHERIT, EXCLUDE_KERNEL, SAMPLE_ID_ALL, USE_CLOCKID, CONTEXT_SWITCH = 1 << 1, 1 << 5, 1 << 18, 1 << 25, 1 << 26
INHERIT_THREAD = 1 << 35
RECORD_SAMPLE, RECORD_SWITCH = 9, 14
FLAG_FD_CLOEXEC = 1 << 3
CLOCK_MONOTONIC = 1
DISABLE, SET_OUTPUT = 0x2401, 0x2405
HEAD = 1024  # offset of data_head, which is followed by data_tail, data_offset and data_size

_ATTRIBUTES = struct.Struct("=IIQQQQQ44xi16x")
"""The first 112 bytes of `struct perf_event_attr`, which Linux 4.1 and all later ones know."""

_HEADER = struct.Struct("=IHH")
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


class Record(NamedTuple):
    """A record of a ring: its type, its flags, and what follows its header."""

    kind: int
    flags: int
    body: bytes


class Ring(NamedTuple):
    """What the ring of one CPU held, oldest first, and whether it was full by then."""

    records: list[Record]
    full: bool


def attributes(kind: int, config: int, sample: int, flags: int, period: int = 0) -> bytes:
    """Return the description of an event whose times are those of `perf_counter_ns`, which is CLOCK_MONOTONIC."""
    return _ATTRIBUTES.pack(
        kind, _ATTRIBUTES.size, config, period, sample, 0, flags | SAMPLE_ID_ALL | USE_CLOCKID, CLOCK_MONOTONIC
    )


def open_event(description: bytes, thread: int, cpu: int) -> int:
    """Return the descriptor of an event on a thread, or on all for -1, on a CPU. Raise OSError if it is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = NUMBERS[platform.machine()]
    arguments = (description, thread, cpu, -1, ctypes.c_ulong(FLAG_FD_CLOEXEC))
    descriptor: int = libc.syscall(ctypes.c_long(number), *arguments)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


class Rings:
    """A ring for each CPU, which any number of events write into until `read`.

    `sizes_bytes` has the CPUs, and for each the size of its ring, a power of two of pages. A user may
    lock some memory only (`perf_event_mlock_kb`, RLIMIT_MEMLOCK): beyond that, a ring is made smaller.
    """

    def __init__(self, sizes_bytes: dict[int, int]) -> None:
        self._sizes_bytes = sizes_bytes
        self._descriptors: list[int] = []
        self._maps: dict[int, tuple[int, mmap.mmap]] = {}

    def add(self, description: bytes, thread: int = -1) -> None:
        """Begin to record an event of a thread, or of all. Raise OSError if it is refused, or the thread is gone."""
        events: dict[int, int] = {}
        for cpu in self._sizes_bytes:
            try:
                events[cpu] = open_event(description, thread, cpu)
                self._descriptors.append(events[cpu])
            except OSError as error:
                if error.errno != errno.ENODEV:  # a CPU that is switched off
                    raise
        if not self._maps:
            self._maps = _map(events, self._sizes_bytes)
        else:
            for cpu, descriptor in events.items():
                fcntl.ioctl(descriptor, SET_OUTPUT, self._maps[cpu][0])

    def read(self) -> list[Ring]:
        """End the recording, and return what each ring holds."""
        for descriptor in self._descriptors:
            fcntl.ioctl(descriptor, DISABLE, 0)  # waits for the CPU that writes, so that all it wrote is seen here
        return [_contents(ring) for _, ring in self._maps.values()]

    def close(self) -> None:
        """Give descriptors and memory back."""
        for _, ring in self._maps.values():
            ring.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._maps.clear()
        self._descriptors.clear()


def _map(descriptors: dict[int, int], sizes_bytes: dict[int, int]) -> dict[int, tuple[int, mmap.mmap]]:
    """Map a ring for each CPU, and all smaller where a user may not lock so much, lest the last get nothing."""
    maps: dict[int, tuple[int, mmap.mmap]] = {}
    try:
        for cpu, descriptor in descriptors.items():
            maps[cpu] = descriptor, mmap.mmap(descriptor, mmap.PAGESIZE + sizes_bytes[cpu])
    except PermissionError:
        for _, ring in maps.values():
            ring.close()
        if max(sizes_bytes.values()) <= mmap.PAGESIZE:
            raise OSError(errno.ENOBUFS, "this user may lock no more memory (perf_event_mlock_kb)") from None
        return _map(descriptors, {cpu: max(size // 2, mmap.PAGESIZE) for cpu, size in sizes_bytes.items()})
    return maps


def _contents(ring: mmap.mmap) -> Ring:
    head, tail, _, size_bytes = struct.unpack_from("QQQQ", ring, HEAD)
    size_bytes = size_bytes or len(ring) - mmap.PAGESIZE  # Linux before 4.1 does not tell
    data = ring[mmap.PAGESIZE + tail : mmap.PAGESIZE + head]  # nobody moves the tail, so nothing wraps
    records = list(records_of(data))
    largest = max((len(record.body) + _HEADER.size for record in records), default=0)
    return Ring(records, size_bytes - len(data) <= largest)


def records_of(data: bytes) -> Iterator[Record]:
    """Yield the records that lie end to end in these bytes."""
    place = 0
    while place < len(data):
        kind, flags, size_bytes = _HEADER.unpack_from(data, place)
        yield Record(kind, flags, data[place + _HEADER.size : place + size_bytes])
        place += size_bytes


def cpus() -> range:
    """Return the numbers of all CPUs of this machine, with those that are switched off."""
    return range(os.sysconf("SC_NPROCESSORS_CONF"))


def share_bytes(total_bytes: int, least_bytes: int) -> int:
    """Return the size of a ring if all CPUs have the same, and about so much together."""
    return max(total_bytes >> (len(cpus()) - 1).bit_length(), least_bytes)


def unsupported() -> str | None:
    """Say why there can be no events on this system, or return None."""
    if sys.platform != "linux":
        return f"perf_event_open(2) is Linux's, and this is {sys.platform}"
    if platform.machine() not in NUMBERS:
        return f"the number of perf_event_open(2) on {platform.machine()} is not known here"
    return None


def refusal(error: OSError) -> str:
    """Say in one sentence what is behind an error of an event or its ring."""
    if error.errno == errno.EACCES:
        return (
            f"this user may not open perf events: kernel.perf_event_paranoid is {paranoid()}, "
            "and 2 or less would allow it, unless a security module forbids it"
        )
    if error.errno == errno.EPERM:
        return "perf_event_open(2) is forbidden here, as Docker's default seccomp profile does"
    if error.errno == errno.ENOSYS:
        return "this kernel, or the sandbox around it, has no perf_event_open(2)"
    if error.errno in (errno.EINVAL, errno.E2BIG):
        return "records of thread switches need Linux 4.3 or newer"
    return f"perf_event_open(2) failed: {error.strerror}"


def paranoid() -> str:
    """Return what kernel.perf_event_paranoid says."""
    try:
        return PARANOID.read_text().strip()
    except OSError:
        return "unknown"
