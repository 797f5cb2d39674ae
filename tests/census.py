"""What this process holds, as /proc tells it; nothing where there is none."""

import os
from pathlib import Path

from iolab.background import list_servers

PROC = Path("/proc/self")


def descriptors(proc: Path = PROC) -> dict[int, str]:
    """Return the open descriptors and what each leads to."""
    targets = {}
    for entry in entries("fd", proc):
        try:
            target = str(entry.readlink())
            # pytest's own files have no name; the one that /proc makes up for them may change.
            targets[int(entry.name)] = "a file without a name" if target.endswith("(deleted)") else target
        except FileNotFoundError:  # that of the listing itself
            continue
    return targets


def children() -> set[int]:
    """Return the processes that this one started and has not waited for."""
    return {int(pid) for task in entries("task") for pid in text(task / "children").split()}


def descriptors_of_all() -> dict[int, dict[int, str]]:
    """Return the open descriptors of this process and of its servers' workers, by process."""
    pids = [os.getpid(), *(pid for server in list_servers() if server.workers for pid in server.workers.pids)]
    return {pid: descriptors(Path(f"/proc/{pid}")) for pid in pids}


def entries(name: str, proc: Path = PROC) -> list[Path]:
    try:
        return list((proc / name).iterdir())
    except OSError:  # no /proc, or the process has ended
        return []


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the thread has ended meanwhile
        return ""
