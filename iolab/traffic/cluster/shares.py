"""What each of many machines does of one load."""

from dataclasses import dataclass, replace
from typing import Any

from iolab.display.units import count
from iolab.traffic.workload import Workload


@dataclass(frozen=True)
class Share:
    """A part of a workload, and how long after the common start it begins."""

    workload: Workload
    delay_s: float

    def __str__(self) -> str:
        work, connections = self.workload, count(self.workload.connections, "connection")
        if work.rate_per_s is not None:
            return f"{connections}, {work.rate_per_s:,.6g} requests/s"
        if work.requests is not None:
            return f"{connections}, {count(work.requests, 'request')}"
        return f"{connections}, a closed loop of {work.seconds or 1:g} s"


def split(work: Workload, workers: int) -> list[Share]:
    """Divide a workload among workers, in at most as many shares as it has connections.

    The connections are dealt out in turn, each with the requests that it has in the whole: so share n
    begins n connections later than the first, and the schedules together are the schedule of the whole,
    to the request where the connections divide evenly. Its seed is the share's own.
    """
    count = min(workers, work.connections)
    step_s = work.ramp_s / work.connections + (1 / work.rate_per_s if work.rate_per_s else 0)
    return [Share(_part(work, number, count), number * step_s) for number in range(count)]


def _part(work: Workload, number: int, count: int) -> Workload:
    connections = _dealt(work.connections, number, count)
    changed: dict[str, Any] = {
        "connections": connections,
        "idle": _dealt(work.idle, number, count),
        "seed": work.seed * count + number,
    }
    if work.rate_per_s is not None:
        changed["rate_per_s"] = work.rate_per_s * connections / work.connections
    if work.requests is not None:
        each, rest = divmod(work.requests, work.connections)
        changed["requests"] = each * connections + _dealt(rest, number, count)
    return replace(work, **changed)


def _dealt(total: int, number: int, count: int) -> int:
    return (total - number + count - 1) // count
