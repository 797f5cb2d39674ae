"""Where a run cannot be made on this machine: say why, and show the one that another machine recorded."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from iolab.display import progress_bar
from iolab.errors import UsageError
from iolab.settings import PROFILE, RECORD, profile

if TYPE_CHECKING:
    from iolab.measurement.run import Run
    from iolab.trace.timeline import Timeline

NAME = re.compile(r"\d\d-[a-z0-9]+([-_][a-z0-9]+)*")
Entry = TypeVar("Entry", "Run", "Timeline")


def here_or_recorded(name: str | None, kind: type[Entry], make: Callable[[], Entry], why_not: str | None) -> Entry:
    """Make a run; where it cannot be made, say why in a line and return the recorded one of this name.

    Raise UsageError for what is no name, and where the recorded run is missing, broken or of another kind.
    """
    if name is None:
        return make()
    from iolab.archive import runs

    path = file_of(name)
    if os.environ.get(RECORD) == "1":
        entry = make()
        runs.save(entry, path, f"{PROFILE}={profile().name} {RECORD}=1 make notebooks")
        return entry
    if why_not is None:
        return make()
    entry = runs.read(path, kind)
    progress_bar.say(f"{why_not}. Shown instead is the run {entry.placement.recorded}.")
    return entry


def file_of(name: str) -> Path:
    """Return the file of a recorded run. Raise UsageError for what is no name of one."""
    from iolab.data.reference import DATA

    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(f"a recorded run is named by its lesson and what it shows, such as '06-ring', not {name!r}")
    return DATA / "recorded/lessons" / f"{name}.json.gz"
