"""Processes as /proc shows them: whose they are, what belongs to them, and where they listen (`proc(5)`)."""

import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from iolab.errors import UsageError

PROC = Path("/proc")
KERNEL_THREAD = 0x200000
"""PF_KTHREAD in the flags of `/proc/PID/stat`."""

LISTENING = "0A"

# <linux/sock_diag.h>, <linux/inet_diag.h>: a dump of all sockets of TCP that listen, by family.
SOCK_DIAG, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, STATE_LISTEN = 4, 20, 0x301, 1 << 10
_HEADER, _ASKS = struct.Struct("=IHHII"), struct.Struct("=BBxxI48x")
_SOCKET = struct.Struct("=52x4xIIII")  # expires, then: waiting, room, user, inode


class Port(NamedTuple):
    """A port that is listened on: its number, where, by which socket, how many wait, and in which table it stands."""

    number: int
    host: str
    inode: str
    waiting: int
    table: str = "tcp"


def require_traceable(pid: int) -> None:
    """Raise UsageError for a process that is not there, is not the caller's, or must be left alone."""
    if pid <= 0:
        raise UsageError(f"a PID is a number above 0, not {pid}; `pgrep -a NAME` finds that of a server")
    if pid == 1:
        raise UsageError("PID 1 has every other process of this machine below it; give the PID of the server itself")
    fields = status(pid)
    if not fields:
        raise UsageError(f"there is no process {pid}; `pgrep -a NAME` finds the PID of a server")
    if pid == os.getpid() or fields["Tgid"] == str(os.getpid()):
        raise UsageError(f"{pid} is this process, and none can trace itself; start the server in another")
    if set(fields["Uid"].split()) != {str(os.geteuid())}:
        raise UsageError(f"process {pid} is another user's, and is left alone; run this as the user that it runs as")
    if is_kernel_thread(pid):
        raise UsageError(f"{pid} is a thread of the kernel, which makes no system calls; give the PID of a server")
    if fields["TracerPid"] != "0":
        raise UsageError(f"process {pid} is traced already, by process {fields['TracerPid']}; end that first")


def status(pid: int) -> dict[str, str]:
    """Return what `/proc/PID/status` says; nothing if there is no such process, or it has ended."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return {}
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {} if fields.get("State", "Z")[0] in "ZX" else fields


def is_kernel_thread(pid: int) -> bool:
    """Return whether this is a thread of the kernel."""
    with suppress(OSError, IndexError, ValueError):
        return bool(int((PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()[6]) & KERNEL_THREAD)
    return False


def everyone() -> dict[int, dict[str, str]]:
    """Return the status of all processes that run, by PID."""
    pids = (int(path.name) for path in PROC.iterdir() if path.name.isdigit())
    return {pid: fields for pid in pids if (fields := status(pid))}


def family(pid: int) -> list[int]:
    """Return a process and all below it; without this one and its own, and without those of other users."""
    running = everyone()
    user = {str(os.geteuid())}
    members = [pid]
    for member in members:
        children = (child for child, fields in running.items() if fields["PPid"] == str(member))
        members += [child for child in children if child != os.getpid() and set(running[child]["Uid"].split()) == user]
    return members


def traced_by(tracer: int) -> list[int]:
    """Return the processes that this process traces."""
    return [pid for pid, fields in everyone().items() if fields["TracerPid"] == str(tracer)]


def threads_of(pids: Iterable[int]) -> dict[int, int]:
    """Return the process of every thread of these processes."""
    threads: dict[int, int] = {}
    for pid in pids:
        with suppress(OSError):
            threads |= {int(task.name): pid for task in (PROC / str(pid) / "task").iterdir()}
    return threads


def name_of(pid: int) -> str:
    """Return the command of a process, cut to a line; `?` once it has ended."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    return " ".join(words).strip()[:120] or "?"


def ports_of(pids: Iterable[int]) -> list[Port]:
    """Return the TCP ports that these processes listen on."""
    ports: dict[str, Port] = {}
    for pid in pids:
        mine = {inode for _, inode in _sockets(pid)}
        ports |= {port.inode: port for port in _listening(pid) if port.inode in mine}
    return sorted(ports.values())


def _sockets(pid: int) -> Iterator[tuple[int, str]]:
    with suppress(OSError):
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                target = os.readlink(link)  # noqa: PTH115  Path.readlink would make a path of `socket:[1]`
                if target.startswith("socket:["):
                    yield int(link.name), target[8:-1]


def _listening(pid: int) -> Iterator[Port]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / str(pid) / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING:
                    host, _, number = fields[1].partition(":")
                    yield Port(int(number, 16), _host(host), fields[9], int(fields[4].partition(":")[2], 16), table)


def sockets_of(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the descriptors of a process that are TCP sockets, each with what strace calls it."""
    rows: dict[str, str] = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / str(pid) / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                here, there = (
                    f"{host}:{int(port, 16)}" for host, _, port in (word.partition(":") for word in fields[1:3])
                )
                rows[fields[9]] = f"TCP:[{here}]" if fields[3] == LISTENING else f"TCP:[{here}->{there}]"
    for number, inode in _sockets(pid):
        if inode in rows:
            yield number, rows[inode]


def _host(digits: str) -> str:
    """Return where a load reaches a socket that is bound so: on loopback, whatever it is bound to."""
    if len(digits) > 8:
        return "127.0.0.1" if set(digits) == {"0"} else "::1"
    octets = bytes.fromhex(digits)[::-1]
    return "127.0.0.1" if not any(octets) else ".".join(map(str, octets))


def interest_of(pid: int) -> dict[int, int]:
    """Return the event mask of every descriptor that an epoll of this process watches (`/proc/PID/fdinfo`)."""
    masks: dict[int, int] = {}
    with suppress(OSError):
        for info in (PROC / str(pid) / "fdinfo").iterdir():
            with suppress(OSError):
                found = re.finditer(r"^tfd: +(\d+) events: +([0-9a-f]+)", info.read_text(), re.MULTILINE)
                masks |= {int(match[1]): int(match[2], 16) for match in found}
    return masks


def rooms() -> dict[str, int]:
    """Return how many connections the queue of each socket takes, by inode (`sock_diag(7)`)."""
    found: dict[str, int] = {}
    with suppress(OSError, struct.error), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        for family in (socket.AF_INET, socket.AF_INET6):
            asks = _ASKS.pack(family, socket.IPPROTO_TCP, STATE_LISTEN)
            kernel.send(_HEADER.pack(_HEADER.size + len(asks), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + asks)
            while not (replies := _replies(kernel.recv(1 << 16)))[1]:
                found |= replies[0]
            found |= replies[0]
    return found


def _replies(data: bytes) -> tuple[dict[str, int], bool]:
    """Return the rooms that a message of the kernel has, and whether it is the last."""
    found: dict[str, int] = {}
    place = 0
    while place < len(data):
        size_bytes, kind, *_ = _HEADER.unpack_from(data, place)
        if kind != SOCK_DIAG_BY_FAMILY:
            return found, True
        _, room, _, inode = _SOCKET.unpack_from(data, place + _HEADER.size)
        found[str(inode)] = room
        place += (size_bytes + 3) & ~3
    return found, False


def overflows() -> int:
    """Return how often a full queue turned a connection away on this machine, since it started (TcpExt)."""
    with suppress(OSError, ValueError):
        names, values = [
            line.split() for line in Path("/proc/net/netstat").read_text().splitlines() if line.startswith("TcpExt:")
        ]
        return int(values[names.index("ListenOverflows")])
    return 0
