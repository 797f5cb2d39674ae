"""Confine a process: no signals to others, no way out of its session, no writing outside its folder.

Theory of operation

Three things of the kernel do it, each where there is one, and none needs a privilege; what is denied fails with EPERM.

- *Landlock* (`landlock(7)`) denies writing to all paths but those of a list. It knows paths, and nothing else.
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
import struct
from collections.abc import Iterator

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 36, 38
SECCOMP_MODE_FILTER = 2
F_SETSIG, FIRST_REALTIME = 10, 34

# <linux/audit.h> and the tables of system calls.
ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        {"kill": 62, "tgkill": 234, "fcntl": 72, "prlimit64": 302, "sched_setaffinity": 203},
        # tkill, the two sigqueueinfo, pidfd_send_signal, ptrace, process_vm_readv and _writev, pidfd_getfd,
        # setpgid, setsid, setpriority, unshare, setns, mount, umount2, reboot, bpf
        (200, 129, 297, 424, 101, 310, 311, 438, 109, 112, 141, 272, 308, 165, 166, 169, 321),
    ),
    "aarch64": (
        0xC00000B7,
        {"kill": 129, "tgkill": 131, "fcntl": 25, "prlimit64": 261, "sched_setaffinity": 122},
        (130, 138, 240, 424, 117, 270, 271, 438, 154, 157, 140, 97, 268, 40, 39, 142, 280),
    ),
}
ALLOW, DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

# <linux/landlock.h>: the rights to write, remove and make; truncating came with the third version.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
WRITE_FILE, WRITES, TRUNCATE = 1 << 1, 0b1_1111_1111_0010, 1 << 14


def confine(folder: str) -> None:
    """Confine this process and all that it will start, for good; it may write into one folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _landlock(libc, folder)
    _drop_capabilities(libc)
    _install_filter(libc)


def guard() -> None:
    """Keep this process from being read or written by others of its user, and adopt what its children leave behind."""
    hide()
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


def _install_filter(libc: ctypes.CDLL) -> None:
    if platform.machine() not in ARCHITECTURES:
        return
    instructions = b"".join(_build_filter(os.getpid()))
    text = ctypes.create_string_buffer(instructions, len(instructions))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(instructions) // 8, ctypes.addressof(text)))
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _build_filter(pid: int) -> Iterator[bytes]:
    """Yield the instructions of the filter (`bpf(4)`); a jump counts the instructions that it leaves out."""
    architecture, named, denied = ARCHITECTURES[platform.machine()]
    yield _load(ARCHITECTURE)
    yield _jump_if_equal(architecture, 1, 0)  # 32-bit calls have other numbers
    yield _return(DENY)
    for number in denied:
        yield from (_load(NUMBER), _jump_if_equal(number, 0, 1), _return(DENY))
    for name in ("kill", "tgkill"):  # to itself alone
        yield from _restrict(named[name], 0, (pid,))
    for name in ("prlimit64", "sched_setaffinity"):  # of itself alone
        yield from _restrict(named[name], 0, (0, pid))
    # The owner of a descriptor, which may be any process, is sent this signal: not one that cannot be ignored.
    yield from (_load(NUMBER), _jump_if_equal(named["fcntl"], 0, 5))
    yield from (_load(ARGUMENTS + 8), _jump_if_equal(F_SETSIG, 0, 3))
    yield from (_load(ARGUMENTS + 16), _jump_if_at_least(FIRST_REALTIME, 1, 0), _return(DENY))
    yield _return(ALLOW)


def _restrict(number: int, argument: int, values: tuple[int, ...]) -> Iterator[bytes]:
    yield from (_load(NUMBER), _jump_if_equal(number, 0, 2 + len(values)), _load(ARGUMENTS + 8 * argument))
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        yield _jump_if_equal(value, left, 0)
    yield _return(DENY)


def _load(offset: int) -> bytes:
    return _instruction(0x20, 0, 0, offset)


def _jump_if_equal(value: int, true: int, false: int) -> bytes:
    return _instruction(0x15, true, false, value)


def _jump_if_at_least(value: int, true: int, false: int) -> bytes:
    return _instruction(0x35, true, false, value)


def _return(verdict: int) -> bytes:
    return _instruction(0x06, 0, 0, verdict)


def _instruction(code: int, true: int, false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, true, false, value)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header, none = struct.pack("Ii", 0x20080522, 0), bytes(24)
    libc.capset(header, none)


def _landlock(libc: ctypes.CDLL, folder: str) -> None:
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), RULESET_VERSION)
    if version < 1:
        return
    rights = WRITES | (TRUNCATE if version > 2 else 0)
    attributes = struct.pack("Q", rights)
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path, allowed in ((folder, rights), ("/dev/null", WRITE_FILE), ("/dev/shm", rights)):  # noqa: S108
        _allow(libc, ruleset, path, allowed)
    libc.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    os.close(descriptor)
