"""One run of an experiment, or the reason why there is none."""

import os
import re
from collections.abc import Sequence
from typing import Any

from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.listening import Respond
from iolab.measurement.run import Run, measure
from iolab.models import MODELS
from iolab.replies import upper


def attempt(model: str, respond: Respond = upper, **work: Any) -> Run | str:
    """Measure a model under a load; return why not, where it cannot run, cannot start or breaks."""
    if why := MODELS[model].why_not():
        return why
    try:
        return measure(model, respond=respond, **work)
    except (UsageError, LoadFailed, ServerFailed) as error:
        return str(error)


def known(names: Sequence[str]) -> list[str]:
    """Return those of the names that are models."""
    return [name for name in names if name in MODELS]


def first_that_runs(names: Sequence[str]) -> str:
    """Return the first of these models that runs here, or else one that runs everywhere."""
    return next((name for name in known(names) if MODELS[name].why_not() is None), "threads")


def doubts_of(run: Run | str, where: str) -> list[str]:
    """Return what makes a run doubtful, with where it was; nothing for a run that is not there."""
    return [f"{where}: {doubt}" for doubt in run.doubts] if isinstance(run, Run) else []


def gathered(doubts: Sequence[str]) -> tuple[str, ...]:
    """Return one of each kind, whatever its numbers are, and how many more runs it fits."""
    kinds: dict[str, list[str]] = {}
    for doubt in doubts:
        kinds.setdefault(re.sub(r"[\d,.]+", "#", doubt.partition(": ")[2]), []).append(doubt)
    return tuple(f"{same[0]} (and {len(same) - 1} more)" if same[1:] else same[0] for same in kinds.values())


def open_descriptors() -> int:
    """Return how many descriptors this process has open; 0 where no folder tells."""
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208  pathlib holds a descriptor of its own
    except OSError:
        return 0
