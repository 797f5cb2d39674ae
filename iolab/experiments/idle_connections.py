"""The latency of a few active connections against the number of idle ones: the libevent benchmark.

Of its figures none is quoted here: which calls grow is taken from table 63-9 of TLPI.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import ClassVar

from iolab.background import Server, start
from iolab.data.reference import rows_of
from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.experiments.attempt import doubts_of, duration, sizes
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import NO_FIGURES, Sign, at_least, at_most, missing, over
from iolab.kernel import descriptors
from iolab.kernel.interrupts import hold
from iolab.measurement.comparison import middle
from iolab.measurement.placement import place
from iolab.measurement.run import Run, observe
from iolab.models import Model, find
from iolab.traffic.doubts import gather
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload

MODELS = ("select", "poll", "epoll")
WARM_UP_S = 0.1
PATIENCE_S = 10
BESIDE = 16
"""Descriptors that a server and its client process take beside their connections."""

MANY = 500
"""Growth is judged from this many idle connections on: below, the work of a request hides it."""


@dataclass(frozen=True, repr=False)
class IdleCost(Result):
    """CPU time and latency of a request, one row a number of idle connections and model."""

    name = "idle_cost"
    title = "cost of a request against the number of idle connections"
    published = "tlpi-63-9"
    keys: ClassVar[dict[str, str]] = {"idle": "idle", "model": "model"}
    figures: ClassVar[dict[str, str]] = {
        "cpu_us_per_request": "CPU µs/req",
        "p50_us": "p50 µs",
        "p99_us": "p99 µs",
        "per_s": "req/s",
    }

    @property
    def signs(self) -> list[Sign]:
        """Whether each model grows, or stays, as its call does in the published table."""
        return signs(self.rows, rows_of("tlpi-63-9"))


def signs(rows: Sequence[Row], published: Sequence[Row]) -> list[Sign]:
    """Hold the growth of each model from no idle connection to the most against that of its call."""
    growth = {model: _growth_of(rows, model) for model in MODELS}
    why_not = _why_not(rows)
    contrast = over(growth["poll"], growth["epoll"])
    return [_sign(model, growth[model], published, why_not) for model in MODELS] + [
        at_least("growth of poll over that of epoll", contrast, 2, fails_below=1.3, why_not=why_not)
    ]


def _why_not(rows: Sequence[Row]) -> str:
    sizes = {row["idle"] for row in rows}
    return NO_FIGURES if 0 in sizes and max(sizes) >= MANY else f"it needs runs with 0 and with {MANY} idle connections"


def _growth_of(rows: Sequence[Row], model: str) -> float | None:
    costs = {row["idle"]: row["cpu_us_per_request"] for row in rows if row["model"] == model}
    most = max((idle for idle, cost in costs.items() if cost and idle >= MANY), default=None)
    return over(costs.get(most), costs.get(0)) if most else None


def _sign(model: str, growth: float | None, published: Sequence[Row], why_not: str) -> Sign:
    few, many = (look_up(published, f"{model}_s", watched=watched) for watched in (10, 1000))
    there = over(many, few)
    what = f"{model}, growth from no idle connection to the most"
    if there is None:
        return missing(what, "there is no published figure")
    if there < 3:
        return at_most(what, growth, 1.5, fails_above=2.5, published=there, why_not=why_not)
    return at_least(what, growth, 2, fails_below=1.3, published=there, why_not=why_not)


def idle_cost(
    idle: Sequence[int] = (0, 100, 900),
    models: Sequence[str] = MODELS,
    connections: int = 10,
    seconds: float = 0.4,
    repeats: int = 1,
    on_step: OnStep = quiet,
) -> IdleCost:
    """Measure each model with each number of idle connections; all of them take turns in every repeat."""
    workload = Workload(connections=connections, seconds=duration(seconds), warm_up_s=WARM_UP_S)
    cells = [(count, find(model)) for count in sizes("idle", idle, 0) for model in models]
    runs: dict[tuple[int, Model], list[Run | str]] = {cell: [] for cell in cells}
    for count, model in cells * repeats:
        on_step(f"{model.name}, {connections} active and {count:,} idle connections")
        runs[count, model].append(_run(model, count, workload))
    rows = [_row(count, model.name, runs[count, model]) for count, model in cells]
    doubts = [
        doubt
        for count, model in cells
        for run in runs[count, model]
        for doubt in doubts_of(run, f"{model.name}, {count:,} idle")
    ]
    return IdleCost(
        tuple(rows),
        str(place()),
        tuple(gather(doubts, sum(isinstance(run, Run) for group in runs.values() for run in group))),
    )


def _run(model: Model, idle: int, workload: Workload) -> Run | str:
    highest, below = descriptors.count_open() + workload.connections + idle + BESIDE, model.descriptors_below
    if below is not None and highest >= below:
        return f"{model.name} takes descriptors below {below}, and this run would need {highest}"
    if reason := model.why_not() or replace(workload, idle=idle).why_not():
        return reason
    try:
        return _beside_idle(model, idle, workload)
    except (UsageError, LoadFailed, ServerFailed) as error:
        return str(error)


def _beside_idle(model: Model, idle: int, workload: Workload) -> Run:
    placement = place()
    with ExitStack() as open_now:
        with hold():
            server = open_now.enter_context(start(model, cpu=placement.server))
        if idle:
            asleep = Workload(connections=1, idle=idle - 1)  # a client that connects, and never gets the word to go
            with hold():
                sleeper = open_now.enter_context(Client(server.address, asleep, placement.client))
            sleeper.connect()
            _wait_until_accepted(server, idle)
        with hold():
            active = open_now.enter_context(Client(server.address, workload, placement.client))
        return observe(server, active, placement, lambda tick: None)


def _wait_until_accepted(server: Server, count: int) -> None:
    # They wait in the backlog: a server that takes on one a turn, as poll does, is not there yet.
    deadline_s = time.monotonic() + PATIENCE_S
    while (accepted := len(server.listening.connections())) < count:
        if time.monotonic() > deadline_s:
            raise LoadFailed(f"the server had accepted {accepted:,} of {count:,} connections after {PATIENCE_S} s")
        time.sleep(0.02)


def _row(idle: int, model: str, attempts: Sequence[Run | str]) -> Row:
    runs = [run for run in attempts if isinstance(run, Run)]
    if not runs:
        return {"idle": idle, "model": model, **dict.fromkeys(IdleCost.figures), "why_not": attempts[0]}
    run, summary = middle(runs), middle(runs).summary()
    figures = {key: summary.get(key) for key in IdleCost.figures} | {"cpu_us_per_request": run.cpu_us_per_request}
    return {"idle": idle, "model": model, **figures, "why_not": "" if len(run.records) else "no request was answered"}
