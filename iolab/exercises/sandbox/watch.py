"""A process as /proc shows it: nothing here asks the process itself (`proc(5)`)."""

import contextlib
import ctypes
import os
import platform
import re
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from iolab.kernel.interrupts import InOnePiece, child

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
"""Of linux/netlink.h and linux/sock_diag.h."""

X86_64 = {
    "read": (0, 17, 19),
    "write": (1, 18, 20, 40),
    "close": (3,),
    "poll": (7, 271),
    "select": (23, 270),
    "pause": (34,),
    "sleep": (35, 230),
    "connect": (42,),
    "accept": (43, 288),
    "send": (44, 46, 307),
    "recv": (45, 47, 299),
    "splice": (275,),
    "wait": (61, 247),
    "sigwaitinfo": (128,),
    "sigsuspend": (130,),
    "futex": (202,),
    "epoll_wait": (232, 281, 441),
    "io_uring_enter": (426,),
}
AARCH64 = {
    "read": (63, 65, 67),
    "write": (64, 66, 68, 71),
    "close": (57,),
    "poll": (73,),
    "select": (72,),
    "sleep": (101, 115),
    "connect": (203,),
    "accept": (202, 242),
    "send": (206, 211, 269),
    "recv": (207, 212, 243),
    "splice": (76,),
    "wait": (95, 260),
    "sigsuspend": (133,),
    "sigwaitinfo": (137,),
    "futex": (98,),
    "epoll_wait": (22, 441),
    "io_uring_enter": (426,),
}
"""System calls that a server may sleep in, by the numbers of the architecture (`syscalls(2)`)."""

NAMES = {
    number: name
    for name, numbers in {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine(), {}).items()
    for number in numbers
}

PF_EXITING = 4
"""Among the flags of a thread (linux/sched.h); it is set before its descriptors are closed."""

EPOLLOUT, EPOLLET = 0x4, 1 << 31
GETFD = 438
"""pidfd_getfd(2), which has this number on both architectures."""


@dataclass(frozen=True)
class SystemCall:
    """A system call that a thread sleeps in, and its arguments."""

    name: str
    arguments: tuple[int, ...]


def read_call(pid: int, task: int) -> SystemCall | None:
    """Return what a thread sleeps in; None if it runs, waits for a CPU, or is gone.

    A thread that was taken off the CPU within a call counts as running: the kernel names
    a call for sleepers alone (`proc_pid_syscall(5)`).
    """
    try:
        words = Path(f"/proc/{pid}/task/{task}/syscall").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        return SystemCall("hiding", ())
    if not words or words[0] in ("running", "-1"):
        return None
    arguments = tuple(int(word, 16) for word in words[1:7])
    return SystemCall(_name_call(int(words[0]), arguments), arguments)


def _name_call(number: int, arguments: tuple[int, ...]) -> str:
    name = NAMES.get(number, f"system call {number}")
    # Without a descriptor to watch, select and poll are ways to sleep; with one, poll is how Python limits a call.
    if (name == "select" and not arguments[0]) or (name == "poll" and not arguments[1]):
        return "sleep"
    return "timeout" if name == "poll" and arguments[1] == 1 else name


LIMITS = {"epoll_wait": 3, "poll": 2, "timeout": 2, "select": 4, "futex": 3, "sigwaitinfo": 2}
"""Which argument is the limit of a call in ms, or points to it."""

ENDLESS, LONG_MS = 0xFFFFFFFF, 3_600_000
"""-1, as a number; and what stands for it where a library insists on a limit (trio)."""


def has_limit(call: SystemCall) -> bool:
    """Say whether a call ends by itself after a while, although nothing has happened."""
    if call.name == "sleep":
        return True
    limit = call.arguments[LIMITS[call.name]] if call.name in LIMITS else 0
    # NULL is endless for a pointer, and -1 for a number; with a number of 0 nobody sleeps.
    return 0 < limit < LONG_MS or ENDLESS < limit < 1 << 63


FUTEX_WAIT_BITSET, FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME = 9, 128, 256
"""Of linux/futex.h: the call whose limit is a moment and not a time; and two flags."""


def read_limit_s(pid: int, call: SystemCall) -> float:
    """Return for how long a futex(2) with a limit may still wait; 0 if that cannot be read, as when it is over."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(call.arguments[3])
            seconds, rest_ns = struct.unpack("=2q", memory.read(16))
    except (OSError, OverflowError, struct.error):
        return 0.0
    limit_s, operation = float(seconds + rest_ns / 1e9), call.arguments[1]
    if operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME) != FUTEX_WAIT_BITSET:
        return limit_s
    return limit_s - (time.time() if operation & FUTEX_CLOCK_REALTIME else time.monotonic())


@cache
def why_not() -> str | None:
    """Say why the system calls of another process cannot be seen here, or return None."""
    if not NAMES:
        return f"the judge knows the system calls of Linux on x86-64 and ARM64, not on {platform.machine()}"
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]  # ends quietly with its input
    with InOnePiece(lambda: child(command)) as process:
        try:
            Path(f"/proc/{process.pid}/syscall").read_text()
        except OSError as error:
            return f"this system does not show what another process does (/proc/PID/syscall: {error.strerror})"
    return None


def list_family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    family = [pid]
    for each in family:
        family += [each_child for task in list_threads(each) for each_child in _list_children(each, task)]
    return family


def _list_children(pid: int, task: int) -> list[int]:
    return [int(word) for word in read(f"/proc/{pid}/task/{task}/children").split()]


def list_threads(pid: int) -> list[int]:
    """Return the kernel's numbers of a process's threads; none if it is gone."""
    return [int(name) for name in list_folder(f"/proc/{pid}/task")]


def is_ending(pid: int) -> bool:
    """Say whether a process is on its way out of the kernel, or gone: its sockets close before its end is known."""
    return all(_is_exiting(f"/proc/{pid}/task/{task}/stat") for task in list_threads(pid))


def is_headless(pid: int) -> bool:
    """Say whether a process goes on without its first thread: then it shows neither descriptors nor memory."""
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] == ["Z"] and not is_ending(pid)


def _is_exiting(path: str) -> bool:
    columns = read(path).rpartition(")")[2].split()
    return not columns or bool(int(columns[6]) & PF_EXITING)


def list_calls(pid: int) -> list[SystemCall | None]:
    """Return what each thread of a process and of its descendants sleeps in; None for those that do not."""
    return [read_call(each, task) for each in list_family(pid) for task in list_threads(each)]


def measure_cpu_ns(pid: int) -> int:
    """Return the CPU time of a process and of its descendants that live, in ns."""
    return sum(_read_clock_ns(each) for each in list_family(pid))


def _read_clock_ns(pid: int) -> int:
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # CPUCLOCK_SCHED of a process (linux/posix-timers.h)
    except OSError:
        return 0


def count_descriptors(pid: int) -> int:
    """Return how many descriptors a process and its descendants hold, without those of pipes that lead nowhere.

    `multiprocessing` keeps such a one for each child that has ended, until it starts the next (`sentinel`).
    """
    folders = [f"/proc/{each}/fd" for each in list_family(pid)]
    targets = Counter(_read_link(f"{folder}/{number}") for folder in folders for number in list_folder(folder))
    return sum(count for target, count in targets.items() if count > 1 or not target.startswith("pipe:"))


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return "gone"


def measure_largest_bytes(pid: int) -> int:
    """Return the memory that the largest of a process and its descendants holds: those forked share most of theirs."""
    columns = [read(f"/proc/{each}/statm").split() for each in list_family(pid)]
    return max((int(each[1]) for each in columns if each), default=0) * os.sysconf("SC_PAGE_SIZE")


def measure_resident_bytes(pid: int) -> int:
    """Return the memory that a process and its descendants hold in RAM (`proc_pid_statm(5)`)."""
    pages = [read(f"/proc/{each}/statm").split() for each in list_family(pid)]
    return sum(int(columns[1]) for columns in pages if columns) * os.sysconf("SC_PAGE_SIZE")


def read_interest(pid: int) -> dict[int, int]:
    """Return the descriptors in all epoll interests of a process, and the events of each (`proc_pid_fdinfo(5)`)."""
    return {descriptor: events for each in read_interests(pid) for descriptor, events in each.items()}


def read_interests(pid: int) -> list[dict[int, int]]:
    """Return the descriptors in each epoll interest of a process, and the events of each."""
    paths = [f"/proc/{pid}/fdinfo/{number}" for number in list_folder(f"/proc/{pid}/fd")]
    return [dict(_parse_interest(path)) for path in paths]


def _parse_interest(path: str) -> Iterator[tuple[int, int]]:
    for line in read(path).splitlines():
        words = line.split()
        if words and words[0] == "tfd:":
            yield int(words[1]), int(words[3], 16)


def blocks_signals(pid: int, task: int) -> bool:
    """Say whether a thread blocks all signals that may be blocked (`proc_pid_status(5)`)."""
    blocked = re.search(r"SigBlk:\s*(\w+)", read(f"/proc/{pid}/task/{task}/status"))
    return blocked is not None and int(blocked[1], 16).bit_count() > 50


def limits_connections(pid: int) -> bool:
    """Say whether the kernel is to end a connection of a process whose other side takes nothing for a while.

    (`tcp(7)`, TCP_USER_TIMEOUT; where descriptors of others cannot be had, nothing is known of it.)
    """
    folder = f"/proc/{pid}/fd"
    numbers = [each for each in list_folder(folder) if _read_link(f"{folder}/{each}").startswith("socket:")]
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        return any(_read_limit_ms(process, int(each)) for each in numbers)
    finally:
        os.close(process)


def _read_limit_ms(process: int, number: int) -> int:
    copy = ctypes.CDLL(None).syscall(GETFD, process, number, 0)
    if copy >= 0:
        with socket.socket(fileno=copy) as connection, contextlib.suppress(OSError):  # it may be none of TCP
            return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    return 0


def list_connections(port: int) -> set[str]:
    """Return the inodes of the sockets that have this port, without the one that listens (`proc_net_tcp(5)`)."""
    rows = (line.split() for line in read("/proc/thread-self/net/tcp").splitlines()[1:])
    return {row[9] for row in rows if row[3] != "0A" and int(row[1].rpartition(":")[2], 16) == port}


def count_unreceived(port: int, peer_port: int) -> int:
    """Return how many bytes of a peer have arrived at a port and were not received; 0 if there is no connection."""
    rows = (line.split() for line in read("/proc/thread-self/net/tcp").splitlines()[1:])
    ports = [f"{each:04X}" for each in (port, peer_port)]
    counts = [row[4].partition(":")[2] for row in rows if [each.rpartition(":")[2] for each in row[1:3]] == ports]
    return sum(int(count, 16) for count in counts)


def count_queues(address: tuple[str, int], peer: tuple[str, int]) -> tuple[int, int]:
    """Return how many bytes of a peer were not received, and how many for it have not arrived there (`sock_diag(7)`).

    Both are 0 where the kernel does not tell, or there is no connection.
    """
    hosts = b"".join(socket.inet_aton(host) + bytes(12) for host, _ in (address, peer))
    ends = struct.pack("!HH", address[1], peer[1]) + hosts
    asks = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + ends + struct.pack("=Iq", 0, -1)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.send(struct.pack("=IHHII", 16 + len(asks), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + asks)
            says = kernel.recv(4096)
    except OSError:
        return 0, 0
    is_there = struct.unpack_from("=H", says, 4)[0] == SOCK_DIAG_BY_FAMILY
    unread, owed = struct.unpack_from("=II", says, 72) if is_there else (0, 0)
    return unread, owed


def list_folder(path: str) -> list[str]:
    """Return the names in a folder of /proc; none if its process has ended."""
    try:
        return os.listdir(path)  # noqa: PTH208  names are wanted
    except OSError:
        return []


def read(path: str) -> str:
    """Return a file of /proc; nothing if its process has ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
