"""Experiments that stand in the literature: each is one call, in the sizes of the profile.

>>> run = iolab.experiments.wait_cost()
>>> iolab.figures.experiment(run)
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.measure import experiments
from iolab.measure.experiments import ConnectionCost, Gil, IdleCost, Omission, Record, WaitCost, recording
from iolab.profiles import VARIABLE, profile

SIZES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "quick": {
        "wait_cost": {"seconds": 0.05},
        "idle_cost": {"idle": (0, 900), "seconds": 0.3},
        "omission": {"seconds": 1.3},
        "gil": {"seconds": 0.5},
        "connection_cost": {"connections": (1000,)},
    },
    "full": {
        "wait_cost": {"seconds": 0.4},
        "idle_cost": {"idle": (0, 100, 900, 10_000), "seconds": 0.3, "repeats": 2},
        "omission": {"seconds": 5.2},
        "gil": {"seconds": 3.0},
        "connection_cost": {"connections": (100, 1000, 10000)},
    },
}
"""What each profile asks of each experiment: a few seconds, or up to half a minute."""


def wait_cost(**sizes: Any) -> WaitCost:
    """Measure the cost of a wait against the number of watched descriptors (TLPI, table 63-9)."""
    return experiments.wait_cost(**_sizes("wait_cost", sizes))


def idle_cost(**sizes: Any) -> IdleCost:
    """Measure the cost of a request against the number of idle connections (the libevent benchmark)."""
    return experiments.idle_cost(**_sizes("idle_cost", sizes))


def omission(**sizes: Any) -> Omission:
    """Time one server that stalls by three clocks (coordinated omission, wrk2)."""
    return experiments.omission(**_sizes("omission", sizes))


def gil(**sizes: Any) -> Gil:
    """Measure one server alone, with its client in the same process, and beside a computing thread."""
    return experiments.gil(**_sizes("gil", sizes))


def connection_cost(**sizes: Any) -> ConnectionCost:
    """Measure memory and set-up time of an idle connection, up to 10,000 of them (the C10K problem)."""
    return experiments.connection_cost(**_sizes("connection_cost", sizes))


EXPERIMENTS: dict[str, Callable[..., Record]] = {
    each.__name__: each for each in (wait_cost, idle_cost, omission, gil, connection_cost)
}
"""The experiments by name, in the order of the lessons."""


def find(name: str) -> Callable[..., Record]:
    """Return the experiment of this name; raise UsageError for an unknown one."""
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    close = difflib.get_close_matches(name, EXPERIMENTS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"there is no experiment {name!r}; {hint}the experiments are {', '.join(EXPERIMENTS)}")


def pair(against: Path, files: Sequence[str] = (), **sizes: Any) -> tuple[Record, Record]:
    """Return a run of this machine and the recorded one: that of `files`, or else one that is made now.

    Raise UsageError for a file that is no recorded run, and for more than one.
    """
    there = recording.opened(against)
    if len(files) > 1:
        raise UsageError(f"--against takes one recorded run of yours, or none, and not {len(files)}")
    return (recording.opened(Path(files[0])) if files else find(there.name)(**sizes)), there


def command(name: str) -> str:
    """Return the command that makes this recorded run again."""
    return f"{VARIABLE}={profile().name} iolab record {name}"


def _sizes(name: str, sizes: Mapping[str, Any]) -> dict[str, Any]:
    return {**SIZES[profile().name][name], **sizes}
