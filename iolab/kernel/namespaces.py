"""Namespaces: a network of one's own, and a small world for each process that is to be shut in.

Theory of operation

A namespace (`namespaces(7)`) is a copy of something that all processes share otherwise: the network, the numbers of
processes, what is mounted where, System V memory and queues. Whoever is in another one cannot even name what is
outside. Root may make them; anyone else in a user namespace of their own (`user_namespaces(7)`), where the system
allows that. Containers mostly refuse both: then every function here returns False and changes nothing.

A socket belongs to the network that it was made in, and stays there wherever its descriptor goes. So a server can
accept on a socket of the judge's while it cannot make one that reaches anybody.
"""

import ctypes
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Callable
from pathlib import Path

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 1 << 14, 1 << 18
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

FOLDER_MIB = 32
"""What the folder of a world holds, in memory."""


def enter_network() -> bool:
    """Move this process into a network with nothing but a loopback of its own. It may have no other threads yet."""
    # A child tries it first: half-way in, where a system allows the namespace and nothing in it, there is no way back.
    return _works_in_child(_try_network) and _try_network()


def _works_in_child(attempt: Callable[[], bool]) -> bool:
    if not (child := os.fork()):
        os._exit(0 if attempt() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _try_network() -> bool:
    try:
        return _make_network()
    except OSError:
        return False


def _make_network() -> bool:
    user, group = os.getuid(), os.getgid()
    if not _unshare(NEWNET):
        if not _unshare(NEWUSER | NEWNET):
            return False
        # As root of its own namespace: anyone else loses the rights in it with the next execve (capabilities(7)).
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            Path(f"/proc/self/{name}").write_text(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack_from("H", request, 16)[0]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
    return True


def leave_network() -> int | None:
    """Move this process into a network without any interface, and return a descriptor of the one before."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if _unshare(NEWNET):
        return before
    os.close(before)
    return None


def return_to_network(descriptor: int) -> None:
    """Move this process back into a network that it left."""
    ctypes.CDLL(None).setns(descriptor, NEWNET)


def offers_worlds() -> bool:
    """Say whether this process could begin a world. It may have no other threads yet."""
    return _works_in_child(begin_world)


def begin_world() -> bool:
    """Have the next process that this one forks be the first of a world: no other process has a number in it."""
    return _unshare(NEWPID | NEWNS | NEWIPC)


def furnish_world(folder: str) -> None:
    """Make all files read-only but for an empty folder and shared memory, which end with this world."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    attributes = struct.pack("4Q", MOUNT_ATTR_RDONLY, 0, 0, 0)
    libc.syscall(MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes)))
    size = f"size={FOLDER_MIB}m,nr_inodes=8192,mode=700".encode()
    for path in (folder, "/dev/shm"):  # noqa: S108
        libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", ctypes.c_ulong(MS_NOSUID | MS_NODEV), size)
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(flags), None)


def _unshare(flags: int) -> bool:
    return platform.system() == "Linux" and not ctypes.CDLL(None).unshare(flags)
