"""What this process holds, as /proc tells it; nothing where there is none."""

from pathlib import Path

PROC = Path("/proc/self")


def descriptors() -> dict[int, str]:
    """Return the open descriptors and what each leads to."""
    targets = {}
    for entry in entries("fd"):
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


def entries(name: str) -> list[Path]:
    return list((PROC / name).iterdir()) if PROC.exists() else []


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the thread has ended meanwhile
        return ""
