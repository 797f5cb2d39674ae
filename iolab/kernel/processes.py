"""How many more processes may be started here: the user's limit, and that of a container."""

import os
import resource
from pathlib import Path

PLENTY = 10_000
"""Nobody counts the processes of a user who may have more than this."""


def room(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how many; None if no limit is near (`getrlimit(2)`, RLIMIT_NPROC; pids.max of the cgroup)."""
    rooms = [each for each in (_of_user(proc), _of_container(cgroup)) if each is not None]
    return max(0, min(rooms)) if rooms else None


def _of_user(proc: Path) -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.geteuid() == 0 or limit == resource.RLIM_INFINITY or limit > PLENTY:
        return None
    return limit - sum(_threads(each) for each in proc.glob("[0-9]*"))  # the limit counts threads


def _threads(process: Path) -> int:
    try:
        return len(list((process / "task").iterdir())) if process.stat().st_uid == os.getuid() else 0
    except OSError:  # it has ended
        return 0


def _of_container(cgroup: Path) -> int | None:
    try:
        most, used = ((cgroup / f"pids.{name}").read_text().strip() for name in ("max", "current"))
        return int(most) - int(used)
    except (OSError, ValueError):  # no such limit: "max" is no number
        return None
