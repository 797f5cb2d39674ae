"""Where a run cannot be made on this machine: say why, and show the one that another machine recorded."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from iolab.display import progress_bar
from iolab.errors import UsageError
from iolab.kernel import descriptors
from iolab.models import Serve, find
from iolab.settings import PROFILE, RECORD, profile
from iolab.traffic.workload import Workload

if TYPE_CHECKING:
    from iolab.measurement.run import Run
    from iolab.trace.timeline import Timeline

NAME = re.compile(r"\d\d-[a-z0-9]+([-_][a-z0-9]+)*")
Made = TypeVar("Made", "Run", "Timeline")


def here_or_recorded(
    name: str | None,
    kind: type[Made],
    make: Callable[[], Made],
    model: str | Serve,
    workload: Workload | None,
    work: Mapping[str, Any],
) -> Made:
    """Make a run; where it cannot be made, say why in a line and return the recorded one of this name.

    Raise UsageError for what is no name, and where the recorded run is missing, broken or of another kind.
    """
    if name is None:
        return make()
    path = file_of(name)
    if os.environ.get(RECORD) == "1":
        return _saved(make(), path)
    reason = why_not(model, workload, work)
    return make() if reason is None else _shown(path, kind, reason)


def file_of(name: str) -> Path:
    """Return the file of a recorded run. Raise UsageError for what is no name of one."""
    from iolab.data.reference import DATA

    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(f"a recorded run is named by its lesson and what it shows, such as '06-ring', not {name!r}")
    return DATA / "recorded/lessons" / f"{name}.json.gz"


def why_not(model: str | Serve, workload: Workload | None, work: Mapping[str, Any]) -> str | None:
    """Say in one sentence why this run cannot be made here, or return None."""
    reason = find(model).why_not() if isinstance(model, str) else None
    if reason:
        return f"{model} cannot run here: {reason}"
    asked, room = connections(workload, work), descriptors.room()
    if asked > room:
        return f"{asked:,} connections are too many here: this process has descriptors for {room:,} (`ulimit -Hn`)"
    return None


def connections(workload: Workload | None, work: Mapping[str, Any]) -> int:
    """Return how many connections a work opens, active and idle."""
    if workload is not None:
        return workload.connections + workload.idle
    default = Workload.__dataclass_fields__["connections"].default
    return sum(count for count in (work.get("connections", default), work.get("idle", 0)) if isinstance(count, int))


def _saved(made: Made, path: Path) -> Made:
    from iolab.archive import runs as kept

    kept.save(made, path, f"{PROFILE}={profile().name} {RECORD}=1 make notebooks")
    return made


def _shown(path: Path, kind: type[Made], reason: str) -> Made:
    from iolab.archive import runs as kept

    found = kept.opened(path, kind)
    progress_bar.say(f"{reason}. Shown instead is the run {found.placement.recorded}.")
    return found
