"""A process as it is seen from outside, in /proc: nothing here asks the process itself (`proc(5)`)."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

X86_64 = {
    "read": (0, 17, 19),
    "write": (1, 18, 20, 40),
    "poll": (7, 271),
    "select": (23, 270),
    "pause": (34,),
    "sleep": (35, 230),
    "connect": (42,),
    "accept": (43, 288),
    "send": (44, 46),
    "recv": (45, 47),
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
    "poll": (73,),
    "select": (72,),
    "sleep": (101, 115),
    "connect": (203,),
    "accept": (202, 242),
    "send": (206, 211),
    "recv": (207, 212),
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

EPOLLOUT, EPOLLET = 0x4, 1 << 31


@dataclass(frozen=True)
class Call:
    """A system call that a thread sleeps in, and its arguments."""

    name: str
    arguments: tuple[int, ...]


def call_of(pid: int, task: int) -> Call | None:
    """Return what a thread sleeps in; None if it runs, waits for a CPU, or is gone.

    A thread that was taken off the CPU within a call counts as running: the kernel names
    a call for sleepers alone (`proc_pid_syscall(5)`).
    """
    try:
        words = Path(f"/proc/{pid}/task/{task}/syscall").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        return Call("hiding", ())
    if not words or words[0] in ("running", "-1"):
        return None
    arguments = tuple(int(word, 16) for word in words[1:7])
    return Call(_name(int(words[0]), arguments), arguments)


def _name(number: int, arguments: tuple[int, ...]) -> str:
    name = NAMES.get(number, f"system call {number}")
    # Without a descriptor to watch, select and poll are ways to sleep; with one, poll is how Python limits a call.
    if (name == "select" and not arguments[0]) or (name == "poll" and not arguments[1]):
        return "sleep"
    return "timeout" if name == "poll" and arguments[1] == 1 else name


@cache
def why_not() -> str | None:
    """Say why the system calls of a process cannot be seen from outside here, or return None."""
    if not NAMES:
        return f"the numbers of system calls are known here for x86-64 and ARM64 on Linux, not for {platform.machine()}"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            Path(f"/proc/{child.pid}/syscall").read_text()
        except OSError as error:
            return f"this system does not let a process be looked at (/proc/PID/syscall: {error.strerror})"
        finally:
            child.kill()
    return None


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for each in found:
        found += [child for task in tasks(each) for child in _children(each, task)]
    return found


def _children(pid: int, task: int) -> list[int]:
    return [int(word) for word in _text(f"/proc/{pid}/task/{task}/children").split()]


def tasks(pid: int) -> list[int]:
    """Return the kernel's numbers of a process's threads; none if it is gone."""
    return [int(name) for name in _listed(f"/proc/{pid}/task")]


def calls(pid: int) -> list[Call | None]:
    """Return what each thread of a process and of its descendants sleeps in; None for those that do not."""
    return [call_of(each, task) for each in family(pid) for task in tasks(each)]


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process and of its descendants that live, in ns."""
    return sum(_clock_ns(each) for each in family(pid))


def _clock_ns(pid: int) -> int:
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # CPUCLOCK_SCHED of a process (linux/posix-timers.h)
    except OSError:
        return 0


def descriptors(pid: int) -> int:
    """Return how many descriptors a process and its descendants hold."""
    return sum(len(_listed(f"/proc/{each}/fd")) for each in family(pid))


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its descendants hold in RAM (`proc_pid_statm(5)`)."""
    pages = [_text(f"/proc/{each}/statm").split() for each in family(pid)]
    return sum(int(columns[1]) for columns in pages if columns) * os.sysconf("SC_PAGE_SIZE")


def interest(pid: int) -> dict[int, int]:
    """Return the descriptors in all epoll interests of a process, and the events of each (`proc_pid_fdinfo(5)`)."""
    return dict(entry for number in _listed(f"/proc/{pid}/fd") for entry in _interest(f"/proc/{pid}/fdinfo/{number}"))


def _interest(path: str) -> Iterator[tuple[int, int]]:
    for line in _text(path).splitlines():
        words = line.split()
        if words and words[0] == "tfd:":
            yield int(words[1]), int(words[3], 16)


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208  names are wanted
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
