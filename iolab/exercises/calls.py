"""System calls as an exercise has them: a row for each, made from what strace wrote."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iolab.xrays.syscalls import Syscall

ACCEPTS = ("accept", "accept4")
RECEIVES = ("read", "readv", "recv", "recvfrom", "recvmsg")
SENDS = ("write", "writev", "send", "sendto", "sendmsg", "sendfile")
BIRTHS = ("clone", "clone3", "fork", "vfork")
OPENS = (*ACCEPTS, "socket", "epoll_create", "epoll_create1", "eventfd2", "dup", "io_uring_setup")
"""Calls whose result is a descriptor."""

WAITS = (
    *("select", "pselect6", "poll", "ppoll", "epoll_wait", "epoll_pwait", "epoll_pwait2", "io_uring_enter"),
    *("rt_sigtimedwait", "rt_sigsuspend", "wait4", "waitid", "nanosleep", "clock_nanosleep", "sched_yield"),
)
KEPT = {
    *(ACCEPTS + RECEIVES + SENDS + BIRTHS + OPENS + WAITS),
    *("listen", "connect", "close", "shutdown", "epoll_ctl", "fcntl", "ioctl", "socketpair", "pipe2"),
}
"""What a trace has; locks, memory, clocks, files and options are left out."""

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_DESCRIPTOR = re.compile(r"\b(\d+)<(.*?\]|[^>]*)>")
_CONSTANT = re.compile(r"\b(?!AF_|NULL\b)[A-Z][A-Z0-9_]{3,}\b")
_PEER = re.compile(r"->.*:(\d+)\]")

KINDS = {"anon_inode:[eventpoll]": "epoll", "anon_inode:[io_uring]": "io_uring", "pipe": "pipe", "UNIX": "pair"}


@dataclass(frozen=True, slots=True)
class Call:
    """One system call of a server.

    `descriptor` is what the call is on, and `kind` what that stands for: "listening", "connection", "epoll",
    "io_uring", "pipe", "pair" (of sockets) or "other". `peer` is the client's port, which tells connections apart: a
    descriptor's number is used again. `watched` has the kind of each descriptor that a `select`, `poll` or `epoll_ctl`
    names. `flags` are the constants among the arguments. `result` is None of a call that had not returned, and
    `error` the name of what it failed with, such as "EAGAIN". `took_s` is how long the call took, asleep or not.
    """

    process: int
    thread: int
    name: str
    descriptor: int | None
    kind: str
    peer: int | None
    watched: dict[int, str]
    flags: tuple[str, ...]
    result: int | None
    error: str
    start_s: float
    took_s: float

    def to_row(self) -> list[Any]:
        """Return it as values of JSON; times are whole microseconds."""
        watched = [[number, kind] for number, kind in self.watched.items()]
        head = [self.process, self.thread, self.name, self.descriptor, self.kind, self.peer, watched]
        times = [round(self.start_s * 1e6), round(self.took_s * 1e6)]
        return [*head, "|".join(self.flags), self.result, self.error, *times]

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "Call":
        """Return the call of such values."""
        process, thread, name, descriptor, kind, peer, watched, flags, result, error, start_us, took_us = row
        kinds, constants = dict(watched), tuple(flags.split("|")) if flags else ()
        head = process, thread, name, descriptor, kind, peer
        return cls(*head, kinds, constants, result, error, start_us / 1e6, took_us / 1e6)


def from_strace(syscalls: Iterable[Syscall], process_of: dict[int, int]) -> list[Call]:
    """Return what a server did from its first `listen` on; times count from there."""
    calls = list(_convert(syscalls, process_of))
    first = next((number for number, call in enumerate(calls) if call.name == "listen"), 0)
    start_s = calls[first].start_s if calls else 0.0
    return [replace(call, start_s=call.start_s - start_s) for call in calls[first:]]


def _convert(syscalls: Iterable[Syscall], process_of: dict[int, int]) -> Iterator[Call]:
    known: dict[tuple[int, int], tuple[str, int | None]] = {}
    for each in syscalls:
        process, arguments = process_of.get(each.thread, each.thread), _TEXT.sub("", each.arguments)
        named = {int(number): _tell_kind(target) for number, target in _DESCRIPTOR.findall(arguments)}
        kind, peer = (_tell_kind(each.target), _find_peer(each.target)) if each.descriptor is not None else ("", None)
        if each.descriptor is not None:
            if kind == "unknown":  # a connection that is gone has no addresses
                kind, peer = known.get((process, each.descriptor), ("other", None))
            known[process, each.descriptor] = kind, peer
            named.pop(each.descriptor, None)
        if each.name in KEPT and kind != "file":
            peer = _find_peer(each.opened) if each.name in ACCEPTS else peer
            flags = tuple(_CONSTANT.findall(_DESCRIPTOR.sub("", arguments)))
            watched = named if each.name in WAITS or each.name == "epoll_ctl" else {}
            yield Call(
                process, each.thread, each.name, each.descriptor, kind, peer, watched, flags, each.result, each.error,
                each.start_s, each.seconds,
            )  # fmt: skip


def _tell_kind(target: str) -> str:
    if target.startswith(("TCP", "socket")):
        return "connection" if "->" in target else "listening" if re.search(r":\d+\]$", target) else "unknown"
    if target.startswith("/"):
        return "file"
    return next((kind for prefix, kind in KINDS.items() if target.startswith(prefix)), "other")


def _find_peer(target: str) -> int | None:
    match = _PEER.search(target) if target.startswith("TCP") else None
    return int(match[1]) if match else None
