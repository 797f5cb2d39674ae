"""What each step of io_uring saves a server: from an order for everything to orders that stay in force.

The steps are one server on rings that take back what the next step brings, so that two
neighbours differ in nothing else. `epoll` stands beside all of them, in an order drawn anew for each repeat.
"""

import os
import platform
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from types import FunctionType
from typing import ClassVar

from iolab.errors import LoadFailed, ServerFailed
from iolab.experiments.attempt import attempt, doubts_of, sizes
from iolab.experiments.result import OnStep, Result, Row, quiet
from iolab.experiments.shape import Sign, at_most, over
from iolab.kernel.ring import ENTER as IO_URING_ENTER
from iolab.kernel.ring import GETEVENTS, SINGLE_ISSUER, Completion, Ring, call
from iolab.measurement.placement import Placement, place
from iolab.measurement.run import Run, measure
from iolab.measurement.statistics import median_interval, pair
from iolab.models import MODELS, Serve
from iolab.trace.timeline import timeline
from iolab.traffic.doubts import Doubt, gather
from iolab.traffic.workload import Workload

BASELINE, ONESHOT, MULTISHOT, SILENT, ONE_ENTER, POLLED = (
    "epoll", "one-shot", "multishot", "+ silent sends", "+ one enter", "+ SQPOLL",
)  # fmt: skip
STEPS = (BASELINE, ONESHOT, MULTISHOT, SILENT, ONE_ENTER, POLLED)
CALLS = ("epoll_wait", "recv", "send")
SQPOLL, SQ_AFFINITY, WAKE_UP = 1 << 1, 1 << 2, 1 << 1
COUNTED = 2000


class CountingRing(Ring):
    """A ring that counts how often it enters the kernel."""

    entries = 0

    def enter(self, orders: int, wait_for: int) -> int:
        """Enter the kernel, and count it."""
        type(self).entries += 1
        return super().enter(orders, wait_for)


class TwoEnters(CountingRing):
    """A ring that hands over in one system call, and waits in another."""

    def submit_and_wait(self) -> list[Completion]:
        """Hand over, then wait."""
        self.submit()
        return self.wait()


class Loud(TwoEnters):
    """A ring whose sends all complete."""

    def send_silently(self, descriptor: int, data: bytes) -> None:
        """Send, and complete."""
        self.send(descriptor, data)


class Polled(Loud):
    """A ring whose orders a thread of the kernel takes, on a CPU of its own: only the wait is a system call.

    That thread looks on, so the order of two stores matters: x86 keeps it, other processors need a barrier. A silent
    send is not over when the call returns, so that all of them complete. It counts as a thread of this process, and
    its CPU time as the server's. It may share a CPU, but then it only takes the time that the other needs.
    """

    cpu = 0

    def __init__(self, buffer_bytes: int) -> None:
        super().__init__(buffer_bytes, flags=SINGLE_ISSUER | SQPOLL | SQ_AFFINITY, cpu=self.cpu)

    def enter(self, orders: int, wait_for: int) -> int:
        """Wait, and wake the kernel's thread if it sleeps; without a wait do nothing."""
        if wait_for:
            type(self).entries += 1
            call(IO_URING_ENTER, self.descriptor, orders, wait_for, GETEVENTS | WAKE_UP, None, 0)
        return orders


RINGS: dict[str, tuple[str, type[CountingRing]]] = {
    ONESHOT: ("io_uring-oneshot", CountingRing),
    MULTISHOT: ("io_uring", Loud),
    SILENT: ("io_uring", TwoEnters),
    ONE_ENTER: ("io_uring", CountingRing),
    POLLED: ("io_uring", Polled),
}
"""By step: the server, and the ring that it is given."""


@dataclass(frozen=True, repr=False)
class RingSteps(Result):
    """System calls and CPU time of a request, one row a number of connections and step."""

    name = "ring_steps"
    title = "steps of io_uring, each beside epoll"
    keys: ClassVar[dict[str, str]] = {"connections": "connections", "step": "step"}
    figures: ClassVar[dict[str, str]] = {
        "times": "times epoll's CPU", "low": "from", "high": "to",
        "calls": "system calls/request", "us_per_request": "CPU µs/request",
    }  # fmt: skip

    @property
    def signs(self) -> list[Sign]:
        """Whether all steps together save system calls, and CPU time."""
        counts = sorted({row["connections"] for row in self.rows})
        signs = [
            at_most("system calls, all steps over one-shot", self._share("calls", counts[0]), 0.5, fails_above=0.7)
        ]
        for count in counts:
            what = f"CPU, all steps over one-shot, {count:,} connections"
            signs.append(at_most(what, self._share("us_per_request", count), 1.0, fails_above=1.1))
        return signs

    def _share(self, figure: str, count: int) -> float | None:
        return over(*(self.value(figure, connections=count, step=step) for step in (ONE_ENTER, ONESHOT)))


def ring_steps(
    connections: Sequence[int] = (1, 50), requests: int = 2000, repeats: int = 6, on_step: OnStep = quiet
) -> RingSteps:
    """Measure each step beside `epoll`; six repeats are the fewest that give an interval."""
    placement, rows, doubts, count_of_runs = place(), list[Row](), list[Doubt](), 0
    for count in sizes("connections", connections, 1):
        workload = Workload(connections=count, requests=requests)
        runs: dict[str, list[Run | str]] = {step: [] for step in STEPS}
        entries: dict[str, list[float]] = {step: [] for step in STEPS}
        for repeat in range(repeats):
            on_step(f"{count:,} connections, {repeat + 1} of {repeats}")
            for step in random.sample(STEPS, len(STEPS)):
                run, calls = _measured(step, workload, placement)
                runs[step].append(run)
                count_of_runs += isinstance(run, Run)
                entries[step].append(calls)
                doubts += doubts_of(run, f"{step}, {count:,} connections")
        entries[BASELINE] = [_calls_of_epoll(count)]
        rows += [_row(count, step, runs[step], runs[BASELINE], entries[step]) for step in STEPS]
    return RingSteps(tuple(rows), str(placement), tuple(gather(doubts, count_of_runs)))


def why_not(step: str, placement: Placement) -> str | None:
    """Say why a step cannot run here, or return None."""
    if step == POLLED and not spare_cpus(placement):
        return "the kernel's thread spins on a CPU of its own; server and client have one each, and there is no third"
    if step == POLLED and platform.machine() != "x86_64":
        return f"{platform.machine()} needs memory barriers here, which Python does not have"
    return MODELS[BASELINE if step == BASELINE else RINGS[step][0]].why_not()


def spare_cpus(placement: Placement) -> list[int]:
    """Return the CPUs that neither the server nor the client has."""
    if placement.server is None:  # they are not pinned, and may run on any
        return []
    return sorted(os.sched_getaffinity(0) - {placement.server, placement.client})


def _measured(step: str, workload: Workload, placement: Placement) -> tuple[Run | str, float]:
    if reason := why_not(step, placement):
        return reason, 0.0
    if step == BASELINE:
        return attempt(MODELS[BASELINE], workload), 0.0
    model, kind = RINGS[step]
    own = {"entries": 0, "cpu": max(spare_cpus(placement), default=0)}
    counting: type[CountingRing] = type(kind.__name__, (kind,), own)
    try:
        subject = replace(MODELS[model], function=on_ring(MODELS[model].serve, counting))
        run = measure(subject, workload)
    except (LoadFailed, ServerFailed) as error:
        return str(error), 0.0
    return run, counting.entries / (workload.requests or 1)


def on_ring(serve: Serve, kind: Callable[[int], Ring]) -> Serve:
    """Return the same server on another kind of ring."""
    assert isinstance(serve, FunctionType)
    return FunctionType(serve.__code__, {**serve.__globals__, "Ring": kind}, serve.__name__)


def _calls_of_epoll(count: int) -> float:
    if MODELS[BASELINE].why_not():
        return 0.0
    recorded = timeline(MODELS[BASELINE], Workload(connections=count, requests=COUNTED))
    return len(recorded.find(*CALLS)) / COUNTED


def _row(count: int, step: str, ours: Sequence[Run | str], theirs: Sequence[Run | str], calls: Sequence[float]) -> Row:
    missing = [run for run in (*ours, *theirs) if isinstance(run, str)]
    row = {"connections": count, "step": step, **dict.fromkeys(RingSteps.figures), "why_not": (*missing, "")[0]}
    if missing:
        return row
    mine, other = ([run.cpu_us_per_request or 0.0 for run in runs if isinstance(run, Run)] for runs in (ours, theirs))
    times = median_interval(pair(mine, other))
    bounds = {"low": round(times.low, 3), "high": round(times.high, 3)} if times else {}
    middle = median([one / another for one, another in zip(mine, other, strict=True)])
    return row | bounds | {
        "times": round(middle, 3), "calls": round(median(calls), 3), "us_per_request": round(median(mine), 2),
    }  # fmt: skip
