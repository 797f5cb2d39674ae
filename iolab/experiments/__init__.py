"""Experiments that stand in the literature: each is one call, in the sizes of the profile, and returns one result.

What they find is kept in files by `iolab.archive`, and drawn by `iolab.figures`.
"""

from iolab.errors import guard_face
from iolab.experiments.balances import Balance
from iolab.experiments.catalogue import (
    EXPERIMENTS,
    Experiment,
    balance,
    connection_cost,
    copy_cost,
    cores,
    files,
    find,
    gil,
    herd,
    idle_cost,
    omission,
    ring_steps,
    same,
    wait_cost,
)
from iolab.experiments.connections import ConnectionCost
from iolab.experiments.copies import CopyCost
from iolab.experiments.core_counts import Cores
from iolab.experiments.equals import Same
from iolab.experiments.file_access import Files
from iolab.experiments.herds import Herd
from iolab.experiments.idle_connections import IdleCost
from iolab.experiments.interpreter_lock import Gil
from iolab.experiments.result import Result
from iolab.experiments.stalls import Omission
from iolab.experiments.uring_steps import RingSteps
from iolab.experiments.waits import ONCE, SELECTORS, WaitCost, takes_files

__all__ = [
    "EXPERIMENTS",
    "ONCE",
    "SELECTORS",
    "Balance",
    "ConnectionCost",
    "CopyCost",
    "Cores",
    "Experiment",
    "Files",
    "Gil",
    "Herd",
    "IdleCost",
    "Omission",
    "Result",
    "RingSteps",
    "Same",
    "WaitCost",
    "balance",
    "connection_cost",
    "copy_cost",
    "cores",
    "files",
    "find",
    "gil",
    "herd",
    "idle_cost",
    "omission",
    "ring_steps",
    "same",
    "takes_files",
    "wait_cost",
]

guard_face(globals())
