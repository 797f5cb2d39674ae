"""Learn the network I/O models by running them.

>>> import iolab
>>> run = iolab.measure("epoll", connections=10, seconds=1)
>>> iolab.figures.latency(run)
"""

import importlib
from typing import TYPE_CHECKING, Any

from iolab import replies
from iolab.api import check, compare, load, measure, start, timeline
from iolab.background import list_servers
from iolab.display.source import card, diff, source
from iolab.display.tables import Table
from iolab.errors import ServerFailed, UsageError
from iolab.health import doctor
from iolab.models import MODELS
from iolab.settings import profile
from iolab.traffic.workload import Workload

if TYPE_CHECKING:
    from iolab import claims, course, experiments, figures
    from iolab.course.solutions import solution
    from iolab.data.reference import reference
    from iolab.notebook.explore import explore
    from iolab.notebook.my_progress import my_progress
    from iolab.notebook.predictions import predict
    from iolab.playback.player import replay
    from iolab.trace.anatomy import anatomy
    from iolab.traffic import faults
    from iolab.xrays.xray import xray

__all__ = [
    "MODELS",
    "ServerFailed",
    "Table",
    "UsageError",
    "Workload",
    "anatomy",
    "card",
    "check",
    "claims",
    "compare",
    "course",
    "diff",
    "doctor",
    "experiments",
    "explore",
    "faults",
    "figures",
    "list_servers",
    "load",
    "measure",
    "my_progress",
    "predict",
    "profile",
    "reference",
    "replay",
    "replies",
    "solution",
    "source",
    "start",
    "timeline",
    "xray",
]


LATER = {
    "anatomy": "iolab.trace.anatomy",
    "claims": "iolab.claims",
    "course": "iolab.course",
    "experiments": "iolab.experiments",
    "explore": "iolab.notebook.explore",
    "faults": "iolab.traffic.faults",
    "figures": "iolab.figures",
    "my_progress": "iolab.notebook.my_progress",
    "predict": "iolab.notebook.predictions",
    "reference": "iolab.data.reference",
    "replay": "iolab.playback.player",
    "solution": "iolab.course.solutions",
    "xray": "iolab.xrays.xray",
}
"""What is imported when it is first asked for, because it needs numpy, matplotlib or ipywidgets."""


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"module 'iolab' has no attribute {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(LATER[name])
    return getattr(module, name, module)


def __dir__() -> list[str]:
    return __all__
