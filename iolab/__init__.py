"""Learn the network I/O models by running them.

>>> import iolab
>>> run = iolab.measure("epoll", connections=10, seconds=1)
>>> iolab.figures.latency(run)
"""

import importlib
from typing import Any

# The packages come first: importing one later would put it in the place of its function.
import iolab.load
import iolab.measure  # noqa: F401
from iolab import replies
from iolab.background import start
from iolab.doctor import doctor
from iolab.errors import ServerFailed, UsageError
from iolab.explore import explore
from iolab.face import check, compare, load, measure, timeline
from iolab.load.workload import Workload
from iolab.my_progress import my_progress
from iolab.predictions import predict
from iolab.profiles import profile
from iolab.servers import MODELS
from iolab.tables import Table
from iolab.texts import card, diff, source

__all__ = [
    "MODELS",
    "ServerFailed",
    "Table",
    "UsageError",
    "Workload",
    "card",
    "check",
    "claims",
    "compare",
    "diff",
    "doctor",
    "experiments",
    "explore",
    "figures",
    "load",
    "measure",
    "my_progress",
    "predict",
    "profile",
    "reference",
    "replies",
    "source",
    "start",
    "timeline",
]


def __getattr__(name: str) -> Any:
    if name in ("claims", "experiments", "figures"):  # they import numpy and matplotlib
        return importlib.import_module(f"iolab.{name}")
    if name == "reference":
        return importlib.import_module("iolab.measure.reference").reference
    raise AttributeError(f"module 'iolab' has no attribute {name!r}; it has {', '.join(__all__)}")
