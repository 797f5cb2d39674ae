"""What a process holds: all that a server must give back when it stops."""

import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from tests.census import children, descriptors, entries
from tests.servers.support import eventually


@dataclass(frozen=True)
class Traces:
    """All of it by number or name, so that a difference shows what was left."""

    descriptors: dict[int, str]
    threads: frozenset[str]
    tasks: frozenset[int]
    children: frozenset[int]
    handlers: dict[int, Any]
    wakeup: int
    mask: frozenset[int]
    pending: frozenset[int]
    limits: tuple[int, int]
    switching_s: float
    replaced: tuple[Any, ...]


def traces() -> Traces:
    """Return what this process holds now."""
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    watchdogs = {thread for thread in threading.enumerate() if thread.name.startswith("pytest_timeout")}
    threads = set(threading.enumerate()) - watchdogs
    return Traces(
        descriptors=descriptors(),
        threads=frozenset(f"{thread.name} {thread.ident}" for thread in threads),
        tasks=frozenset(int(task.name) for task in entries("task")) - {thread.native_id for thread in watchdogs},
        children=frozenset(children()),
        handlers={number: signal.getsignal(number) for number in signal.valid_signals()},
        wakeup=wakeup,
        mask=frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        pending=frozenset(signal.sigpending()),
        limits=resource.getrlimit(resource.RLIMIT_NOFILE),
        switching_s=sys.getswitchinterval(),
        replaced=(socket.socket, select.select, threading.Thread, threading.excepthook, sys.excepthook),
    )


def left(before: Traces) -> list[str]:
    """Say what is gone and what is new since before, after waiting for threads that are about to end."""
    eventually(lambda: not list(differences(before, traces())))
    return list(differences(before, traces()))


def differences(before: Traces, after: Traces) -> Iterator[str]:
    for field in fields(Traces):
        was, now = (parts(getattr(held, field.name)) for held in (before, after))
        if (
            field.name != "tasks"
        ):  # the kernel takes its time over a thread that was joined before: it may still be there
            yield from (f"gone from {field.name}: {part}" for part in was if part not in now)
        yield from (f"new in {field.name}: {part}" for part in now if part not in was)


def parts(held: Any) -> list[Any]:
    """Return what a field holds, one by one."""
    if isinstance(held, dict):
        return list(held.items())
    return list(held) if isinstance(held, frozenset) else [held]
