"""Run a command without io_uring, as in a container: `python tools/without_io_uring.py COMMAND...`.

A seccomp filter makes io_uring_setup fail with EPERM in this process, and in all that
come of it; it cannot be taken off again (`seccomp(2)`).
"""

import ctypes
import errno
import os
import platform
import struct
import sys

IO_URING_SETUP = 425
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of <linux/audit.h>; numbers of system calls differ between them, 425 does not."""

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 22, 38, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
NUMBER_AT, ARCHITECTURE_AT = 0, 4  # in struct seccomp_data


def program(architecture: int) -> bytes:
    """Return the filter: struct sock_filter {code, jump if true, jump if false, k}, one line each."""
    lines = (
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 0, 2, architecture),
        (LOAD, 0, 0, NUMBER_AT),
        (EQUAL, 1, 0, IO_URING_SETUP),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    )
    return b"".join(struct.pack("@HBBI", *line) for line in lines)


def forbid() -> None:
    """Install the filter. Raise OSError if the kernel has no seccomp."""
    libc = ctypes.CDLL(None, use_errno=True)
    filters = program(ARCHITECTURES[platform.machine()])
    instructions = ctypes.create_string_buffer(filters, len(filters))
    described = struct.pack("@HP", len(filters) // 8, ctypes.addressof(instructions))
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, described, 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("usage: python tools/without_io_uring.py COMMAND...")
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        sys.exit(f"the filter is written for Linux on {' and '.join(ARCHITECTURES)}, not for {platform.platform()}")
    try:
        forbid()
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
