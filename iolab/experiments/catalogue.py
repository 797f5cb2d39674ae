"""The experiments by name, each with the sizes that the profiles give it.

>>> run = iolab.experiments.wait_cost()
>>> iolab.figures.experiment(run)
"""

import inspect
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from iolab.errors import guard, unknown
from iolab.experiments import (
    balances,
    connections,
    copies,
    core_counts,
    equals,
    file_access,
    herds,
    idle_connections,
    interpreter_lock,
    stalls,
    uring_steps,
    waits,
)
from iolab.experiments.result import Result
from iolab.settings import profile

Sizes = ParamSpec("Sizes")
Kind = TypeVar("Kind", bound=Result)


class Experiment(Generic[Sizes, Kind]):
    """A function that runs an experiment, and what each profile asks of it: a few seconds, or half a minute or more."""

    __name__: str

    def __init__(self, run: Callable[Sizes, Kind], result: type[Kind], *, quick: Any, full: Any) -> None:
        self.run, self.result = guard(run), result
        self.sizes: Mapping[str, Mapping[str, Any]] = {"quick": quick, "full": full}
        self.options = [*inspect.signature(run).parameters]
        update_wrapper(self, run)

    def __call__(self, *sizes: Sizes.args, **options: Sizes.kwargs) -> Kind:
        """Run it, in the sizes of the profile where none are given. Raise UsageError for an unknown option."""
        for name in options:
            if name not in self.options:
                raise unknown("option", name, self.options)
        return self.run(*sizes, **{**self.sizes[profile().name], **options})


copy_cost = Experiment(
    copies.copy_cost,
    copies.CopyCost,
    quick={"rounds": 60},
    full={"rounds": 60},
)
wait_cost = Experiment(
    waits.wait_cost,
    waits.WaitCost,
    quick={"seconds": 0.05},
    full={"seconds": 0.4},
)
idle_cost = Experiment(
    idle_connections.idle_cost,
    idle_connections.IdleCost,
    quick={"idle": (0, 900), "seconds": 0.3},
    full={"idle": (0, 100, 900, 10_000), "seconds": 0.3, "repeats": 2},
)
omission = Experiment(
    stalls.omission,
    stalls.Omission,
    quick={"seconds": 1.3},
    full={"seconds": 5.2},
)
gil = Experiment(
    interpreter_lock.gil,
    interpreter_lock.Gil,
    quick={"seconds": 0.5},
    full={"seconds": 3.0},
)
connection_cost = Experiment(
    connections.connection_cost,
    connections.ConnectionCost,
    quick={"connections": (1000,), "seconds": 1.0},
    full={"connections": (100, 1000, 10_000), "seconds": 10.0},
)
ring_steps = Experiment(
    uring_steps.ring_steps,
    uring_steps.RingSteps,
    quick={"connections": (1, 50), "requests": 1000, "repeats": 6},
    full={"connections": (1, 10, 50, 100), "requests": 5000, "repeats": 8},
)
files = Experiment(
    file_access.files,
    file_access.Files,
    quick={"operations": 200, "repeats": 6},
    full={"operations": 1000, "repeats": 8},
)

herd = Experiment(
    herds.herd,
    herds.Herd,
    quick={"workers": (2, 8), "connections": 40},
    full={"workers": (2, 4, 8, 16), "connections": 300},
)
balance = Experiment(
    balances.balance,
    balances.Balance,
    quick={"connections": 60, "rounds": 3},
    full={"connections": 300, "rounds": 20},
)
cores = Experiment(
    core_counts.cores,
    core_counts.Cores,
    quick={"work_us": (0, 1000), "seconds": 0.12, "repeats": 6},
    full={"work_us": (0, 100, 250, 500, 1000, 2000), "seconds": 0.5, "repeats": 8},
)
same = Experiment(
    equals.same,
    equals.Same,
    quick={"rankings": 2},
    full={"rankings": 20, "fresh": True},  # ten minutes: fewer rankings cannot show an error of 5 %
)

EXPERIMENTS: dict[str, Experiment[..., Any]] = {
    each.__name__: each
    for each in (
        *(copy_cost, wait_cost, idle_cost, omission, gil, ring_steps, files, connection_cost),
        *(herd, balance, cores, same),
    )
}
"""The experiments by name, in the order of the lessons."""


def find(name: str) -> Experiment[..., Any]:
    """Return the experiment of this name; raise UsageError for an unknown one."""
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    raise unknown("experiment", name, EXPERIMENTS)
