"""Confine a process: no signals to others, no connections, no reading but of what it needs, no writing elsewhere.

Theory of operation

Three things of the kernel do it, each where there is one, and none needs a privilege; what is denied fails with EPERM
or EACCES. What namespaces do beyond that is in `namespaces`.

- *Landlock* (`landlock(7)`) denies reading and writing of all paths but those of a list; since its fourth version TCP
  to all ports but those of a list; since its sixth, signals to processes outside, by whatever way. It is asked at the
  object itself, so io_uring does not get around it.
- *No capabilities* (`capabilities(7)`): root loses what makes it more than any user.
- *A filter of system calls* (`seccomp(2)`): a program in the kernel's own small machine language, run at each call. It
  sees the number of the call and its arguments as plain numbers, so it can tell `kill(own pid)` from `kill(other)`, but
  cannot follow a pointer. It denies another architecture first, since the numbers mean other calls there; then all
  of a list; then calls with arguments that reach beyond the process itself.

PR_SET_NO_NEW_PRIVS comes first, without which Landlock and the filter are refused. All of it is inherited by children
and cannot be taken back.
"""

import ctypes
import errno
import os
import platform
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
SECCOMP_MODE_FILTER = 2
F_SETOWN, F_SETSIG = 8, 10
FIRST_REALTIME, SIGIO = 34, 29
OWNS = (0x8901, 0x8902)  # ioctl: FIOSETOWN and SIOCSPGRP, the older names of F_SETOWN
NEW_NAMESPACES, CLONE_PARENT, X32 = 0x7E020000, 0x8000, 0x40000000
IO_URING_SETUP = 425
BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF, and their kin of root

# <linux/audit.h> and the tables of system calls.
ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {
            "kill": 62,
            "tgkill": 234,
            "tkill": 200,
            "rt_sigqueueinfo": 129,
            "rt_tgsigqueueinfo": 297,
            "pidfd_open": 434,
            "pidfd_send_signal": 424,
            "setpgid": 109,
            "fcntl": 72,
            "prlimit64": 302,
            "sched_setaffinity": 203,
            "prctl": 157,
            "ioctl": 16,
            "socket": 41,
            "setsockopt": 54,
            "clone": 56,
            "clone3": 435,
        },
        (
            # memory of others: ptrace, process_vm_readv and _writev, pidfd_getfd, kcmp, process_madvise,
            # process_mrelease, migrate_pages, move_pages, perf_event_open
            *(101, 310, 311, 438, 312, 440, 448, 256, 279, 298),
            # sessions and scheduling: setsid, setpriority, ioprio_set, sched_setparam, _setscheduler, _setattr
            *(112, 141, 251, 142, 144, 314),
            # the world: unshare, setns, mount, umount2, pivot_root, chroot, the newer mount calls, reboot, bpf
            *(272, 308, 165, 166, 155, 161, 428, 429, 430, 431, 432, 433, 442, 304, 169, 321),
            # what stays: shmget, semget, msgget, mq_open, add_key, request_key, keyctl
            *(29, 64, 68, 240, 248, 249, 250),
            # marks on files: chmod, chown, utime and their kin, setxattr, removexattr
            *(90, 91, 268, 452, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199, 463, 466),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        {
            "kill": 129,
            "tgkill": 131,
            "tkill": 130,
            "rt_sigqueueinfo": 138,
            "rt_tgsigqueueinfo": 240,
            "pidfd_open": 434,
            "pidfd_send_signal": 424,
            "setpgid": 154,
            "fcntl": 25,
            "prlimit64": 261,
            "sched_setaffinity": 122,
            "prctl": 167,
            "ioctl": 29,
            "socket": 198,
            "setsockopt": 208,
            "clone": 220,
            "clone3": 435,
        },
        (
            *(117, 270, 271, 438, 272, 440, 448, 238, 239, 241),
            *(157, 140, 30, 118, 119, 274),
            *(97, 268, 40, 39, 41, 51, 428, 429, 430, 431, 432, 433, 442, 265, 142, 280),
            *(194, 190, 186, 180, 217, 218, 219),
            *(52, 53, 452, 54, 55, 88, 5, 6, 7, 14, 15, 16, 463, 466),
        ),
    ),
}
BY_NUMBER = ("kill", "tgkill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open")
"""Calls that name a process by their first argument, and send it a signal or prepare it."""

ONLY_WITH_SIGNALS = ("tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "setpgid")
ALLOW, IGNORE = 0x7FFF0000, 0x00050000
DENY, MISSING = IGNORE | errno.EPERM, IGNORE | errno.ENOSYS
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

# <linux/landlock.h>: the rights to execute, read and list; and those to write, remove and make.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULESET_VERSION, RULE_PATH_BENEATH, RULE_NET_PORT = 1, 1, 2
LIST, READS, WRITE_FILE, WRITES, TRUNCATE = 1 << 3, 0b1101, 1 << 1, 0b1_1111_1111_0010, 1 << 14
OF_FILES = 0b111 | TRUNCATE
BIND_TCP, CONNECT_TCP = 1, 2
SCOPES = 0b11  # abstract sockets and signals
SHARED_MEMORY = "/dev/shm"  # noqa: S108


@dataclass(frozen=True)
class Reach:
    """What a confined process reaches: a folder to write into, paths to read, folders to list, a port to connect to."""

    folder: str
    readable: Iterable[str]
    listable: Iterable[str] = ()
    port: int | None = None
    rings: bool = True
    """Whether it may use io_uring, whose orders pass by the filter: a socket of the file system is one."""
    signals: bool = False
    """Whether it may send signals to processes that it names: only where it can name none but its own."""


def confine(reach: Reach) -> None:
    """Confine this process and all that it will start, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _landlock(libc, reach)
    _drop_capabilities(libc)
    _install_filter(libc, reach)


def refuse(number: int, error: int = errno.EPERM) -> None:
    """Have a system call fail in this process and all that it will start, for good, as a container does.

    Raise OSError if the kernel has no filters.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    answer = _return(IGNORE | error)
    if _install(libc, (_load(NUMBER), _jump_if_equal(number, 0, 1), answer, _return(ALLOW))):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def adopt() -> None:
    """Become the parent of processes whose own one ended, among the descendants of this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hide() -> None:
    """Keep this process, and those that it forks, from being read or written by others of its user."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def show() -> None:
    """Let others of its user look at this process again."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def end_with_parent(number: int) -> None:
    """Have this process sent a signal when the thread that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def scopes_signals() -> bool:
    """Say whether the kernel itself keeps the signals of a confined process among its own (Linux 6.12)."""
    return _read_landlock_version(ctypes.CDLL(None, use_errno=True)) > 5


def _install_filter(libc: ctypes.CDLL, reach: Reach) -> None:
    if platform.machine() not in ARCHITECTURES:
        return
    _install(libc, _build_filter(os.getpid(), () if reach.rings else (IO_URING_SETUP,), reach.signals))


def _install(libc: ctypes.CDLL, instructions: Iterable[bytes]) -> int:
    text = b"".join(instructions)
    memory = ctypes.create_string_buffer(text, len(text))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(text) // 8, ctypes.addressof(memory)))
    return int(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def _build_filter(pid: int, more: tuple[int, ...], signals: bool = False) -> Iterator[bytes]:
    """Yield the instructions of the filter (`bpf(4)`); a jump counts the instructions that it leaves out."""
    architecture, named, denied = ARCHITECTURES[platform.machine()]
    yield _load(ARCHITECTURE)
    yield _jump_if_equal(architecture, 1, 0)  # 32-bit calls have other numbers
    yield _return(DENY)
    yield from (_load(NUMBER), _jump_if_at_least(X32, 0, 1), _return(DENY))
    for number in (*denied, *more):
        yield from (_load(NUMBER), _jump_if_equal(number, 0, 1), _return(DENY))
    if signals:  # to processes, each by its number, and not to the first one of its world
        for name in BY_NUMBER:
            yield from _forbid_at_least(named[name], 0, 1 << 31)
            yield from _forbid(named[name], 0, (0, 1))
    else:
        for name in ONLY_WITH_SIGNALS:
            yield from (_load(NUMBER), _jump_if_equal(named[name], 0, 1), _return(DENY))
        for name in ("kill", "tgkill"):  # to itself alone
            yield from _restrict(named[name], 0, (pid,))
    for name in ("prlimit64", "sched_setaffinity"):  # of itself alone
        yield from _restrict(named[name], 0, (0, pid))
    # Nothing but IP: what listens on a path of the file system is in no network of its own, and Landlock lets it be.
    yield from _restrict(named["socket"], 0, (socket.AF_INET, socket.AF_INET6))
    yield from _forbid(named["ioctl"], 1, OWNS)
    yield from _forbid(named["prctl"], 0, (PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER))
    # A server that drops what has no room would pass where there is room for megabytes.
    yield from (_load(NUMBER), _jump_if_equal(named["setsockopt"], 0, 4 + len(BUFFER_SIZES)))
    yield from (_load(ARGUMENTS + 8), _jump_if_equal(socket.SOL_SOCKET, 0, 2 + len(BUFFER_SIZES)))
    yield _load(ARGUMENTS + 16)
    for left, value in zip(range(len(BUFFER_SIZES) - 1, -1, -1), BUFFER_SIZES, strict=True):
        yield _jump_if_equal(value, left, 1 if not left else 0)
    yield _return(IGNORE)
    # Its flags are behind a pointer. The C library makes do with clone(2) where there is none.
    yield from (_load(NUMBER), _jump_if_equal(named["clone3"], 0, 1), _return(MISSING))
    yield from (_load(NUMBER), _jump_if_equal(named["clone"], 0, 3))
    yield from (_load(ARGUMENTS), _jump_if_any(NEW_NAMESPACES | CLONE_PARENT, 0, 1), _return(DENY))
    # The owner of a descriptor is sent a signal: itself, or one that it may name, and not one that cannot be ignored.
    yield from (_load(NUMBER), _jump_if_equal(named["fcntl"], 0, 12 + 2 * signals))
    yield from (_load(ARGUMENTS + 8), _jump_if_equal(F_SETOWN, 0, 3 + 2 * signals))
    if signals:
        yield _load(ARGUMENTS + 16)
        yield from (_jump_if_at_least(1 << 31, 2, 0), _jump_if_equal(1, 1, 0), _jump_if_equal(0, 0, 1), _return(DENY))
    else:
        yield from (_load(ARGUMENTS + 16), _jump_if_equal(pid, 1, 0), _return(DENY))
    yield from (_load(ARGUMENTS + 8), _jump_if_equal(F_SETSIG, 0, 5))
    yield from (_load(ARGUMENTS + 16), _jump_if_at_least(FIRST_REALTIME, 3, 0))
    yield from (_jump_if_equal(0, 2, 0), _jump_if_equal(SIGIO, 1, 0), _return(DENY))
    yield _return(ALLOW)


def _restrict(number: int, argument: int, values: tuple[int, ...]) -> Iterator[bytes]:
    """Deny a call unless an argument is one of these."""
    yield from (_load(NUMBER), _jump_if_equal(number, 0, 2 + len(values)), _load(ARGUMENTS + 8 * argument))
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        yield _jump_if_equal(value, left, 0)
    yield _return(DENY)


def _forbid(number: int, argument: int, values: tuple[int, ...]) -> Iterator[bytes]:
    """Deny a call if an argument is one of these."""
    for value in values:
        yield from (_load(NUMBER), _jump_if_equal(number, 0, 3))
        yield from (_load(ARGUMENTS + 8 * argument), _jump_if_equal(value, 0, 1), _return(DENY))


def _forbid_at_least(number: int, argument: int, value: int) -> Iterator[bytes]:
    """Deny a call if an argument is this or more, as a negative number is."""
    yield from (_load(NUMBER), _jump_if_equal(number, 0, 3))
    yield from (_load(ARGUMENTS + 8 * argument), _jump_if_at_least(value, 0, 1), _return(DENY))


def _load(offset: int) -> bytes:
    return _instruction(0x20, 0, 0, offset)


def _jump_if_equal(value: int, true: int, false: int) -> bytes:
    return _instruction(0x15, true, false, value)


def _jump_if_any(bits: int, true: int, false: int) -> bytes:
    return _instruction(0x45, true, false, bits)


def _jump_if_at_least(value: int, true: int, false: int) -> bytes:
    return _instruction(0x35, true, false, value)


def _return(verdict: int) -> bytes:
    return _instruction(0x06, 0, 0, verdict)


def _instruction(code: int, true: int, false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, true, false, value)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    libc.capset(header, none)


def _landlock(libc: ctypes.CDLL, reach: Reach) -> None:
    version = _read_landlock_version(libc)
    if version < 1:
        return
    writes = WRITES | (TRUNCATE if version > 2 else 0)
    attributes = struct.pack("QQQ", READS | writes, BIND_TCP | CONNECT_TCP, SCOPES)
    attributes = attributes[: 24 if version > 5 else 16 if version > 3 else 8]
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    rights = dict.fromkeys(reach.listable, LIST) | dict.fromkeys(reach.readable, READS)
    rights |= {reach.folder: READS | writes, SHARED_MEMORY: READS | writes, os.devnull: READS | WRITE_FILE}
    for path, allowed in rights.items():
        _allow(libc, ruleset, path, allowed)
    if version > 3 and reach.port is not None:
        libc.syscall(ADD_RULE, ruleset, RULE_NET_PORT, struct.pack("QQ", CONNECT_TCP, reach.port), 0)
    libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _read_landlock_version(libc: ctypes.CDLL) -> int:
    return int(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), RULESET_VERSION))


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    allowed = rights if Path(path).is_dir() else rights & OF_FILES
    libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", allowed, descriptor), 0)
    os.close(descriptor)
