"""Replies that compute, on more than one core: threads beside processes, and Amdahl's model of more cores.

All servers stand side by side, and take turns under the same load, so that what the machine does meanwhile falls on
all. A worker that got no connection has nothing to do: on one listening socket that happens by chance, so the runs
with an idle worker are counted. `handoff` deals connections out in turn, and is what the model goes by.

Amdahl's model: of the time of one worker a part s cannot be divided, so n cores make at most 1 / (s + (1 - s) / n)
of it (Amdahl, "Validity of the single processor approach", 1967). Here s is what the measured n leave.
"""

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from iolab import replies
from iolab.background import Server, start
from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.experiments.attempt import duration, sizes, whole
from iolab.experiments.result import OnStep, Result, Row, quiet
from iolab.experiments.shape import Sign, at_least, at_most, missing, over
from iolab.measurement.machine import free_threaded
from iolab.measurement.neighbours import Neighbours
from iolab.measurement.placement import Placement, spread
from iolab.measurement.run import NEIGHBOUR_LIMIT
from iolab.measurement.statistics import median_interval, pair
from iolab.models import find
from iolab.traffic.doubts import Doubt, gather
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload

BASELINE, THREADS, LUCK, DEALT = "epoll", "threads", "prefork", "handoff"
Subject = tuple[str, int]
"""A model, and its number of workers."""


@dataclass(frozen=True)
class Turn:
    """One run of one server."""

    per_s: float
    idle: bool
    """Whether a worker had nothing to do."""
    neighbours_share: float | None


@dataclass(frozen=True, repr=False)
class Cores(Result):
    """Replies a second, one row a CPU time of the reply, server and number of workers."""

    name = "cores"
    title = "replies that compute, on more than one core"
    keys: ClassVar[dict[str, str]] = {"work_us": "reply's CPU µs", "model": "model", "workers": "workers"}
    figures: ClassVar[dict[str, str]] = {
        "times": "times one epoll", "low": "from", "high": "to", "per_s": "replies/s", "idle_runs": "a worker idle",
        "runs": "of runs",
    }  # fmt: skip

    @property
    def work_us(self) -> int:
        """The longest reply."""
        return max((row["work_us"] for row in self.rows), default=0)

    @property
    def cores(self) -> int:
        """The most workers that were measured: one for each core."""
        return max((row["workers"] for row in self.rows if row["model"] == DEALT), default=1)

    @property
    def signs(self) -> list[Sign]:
        """Whether processes gain by every core, and threads by none, where replies compute."""
        several, threads = f"{self.cores} workers that are dealt their connections", "threads over one epoll"
        gain = self.value("times", work_us=self.work_us, model=DEALT, workers=self.cores)
        same = self.value("times", work_us=self.work_us, model=THREADS)
        if self.cores < 2:
            why = next((row["why_not"] for row in self.rows if row["why_not"]), "there is one CPU")
            return [missing("workers over one epoll", why), missing(threads, why)]
        return [
            at_least(f"{several} over one epoll", gain, 0.9 * self.cores, fails_below=0.6 * self.cores),
            missing(threads, "this Python has no GIL")
            if free_threaded()
            else at_most(threads, same, 1.1, fails_above=1.3),
        ]

    def serial(self, work_us: int) -> float | None:
        """Return the part of the work that more workers did not divide; None where there is one core."""
        one, several = (self.value("per_s", work_us=work_us, model=DEALT, workers=count) for count in (1, self.cores))
        return serial_part(over(several, one), self.cores)


def serial_part(times: float | None, cores: int) -> float | None:
    """Return which part of the work is not divided, if so many cores do it so many times as fast."""
    if not times or cores < 2:
        return None
    return min(1.0, max(0.0, (cores / times - 1) / (cores - 1)))


def speed_up(serial: float, cores: float) -> float:
    """Return how many times as fast so many cores are, by Amdahl's model."""
    return 1 / (serial + (1 - serial) / cores)


def cores(
    work_us: Sequence[int] = (0, 1000),
    connections: int = 10,
    seconds: float = 0.15,
    repeats: int = 6,
    on_step: OnStep = quiet,
) -> Cores:
    """Measure each server with replies of each CPU time, in turns; six repeats are the fewest that give an interval."""
    placement, rows, doubts, count = spread(), list[Row](), list[Doubt](), 0
    work = Workload(connections=whole("connections", connections, 1), seconds=duration(seconds))
    whole("repeats", repeats, 1)
    for cost_us in sizes("work_us", work_us, 0):
        turns = _in_turns(cost_us, work, repeats, placement, on_step)
        rows += [
            _row(cost_us, subject, turns[subject], turns[BASELINE, 1]) for subject in turns if subject[0] != BASELINE
        ]
        made = [turn for each in turns.values() if not isinstance(each, str) for turn in each]
        doubts += _doubts(made, f"replies of {cost_us:,} µs")
        count += len(made)
    return Cores(tuple(rows), str(placement), tuple(gather(doubts, count)))


def _doubts(turns: Sequence[Turn], where: str) -> list[Doubt]:
    shares = [turn.neighbours_share for turn in turns if (turn.neighbours_share or 0) > NEIGHBOUR_LIMIT]
    return [Doubt("busy neighbours", {"share": round(share or 0, 3)}, where) for share in shares]


def subjects(placement: Placement) -> list[Subject]:
    """Return what is measured: the last model with one worker, two, four, and one for each core."""
    most = max(1, len(placement.workers))
    counts = sorted({most, *(1 << power for power in range(most.bit_length()))})
    return [(BASELINE, 1), (THREADS, 1), (LUCK, most), *((DEALT, count) for count in counts)]


def _in_turns(
    cost_us: int, work: Workload, repeats: int, placement: Placement, on_step: OnStep
) -> dict[Subject, list[Turn] | str]:
    turns: dict[Subject, list[Turn] | str] = {}
    servers: dict[Subject, Server] = {}
    with ExitStack() as stack:
        for name, count in subjects(placement):
            try:
                servers[name, count] = stack.enter_context(_start(name, count, cost_us, placement))
                turns[name, count] = []
            except (UsageError, ServerFailed, OSError) as error:
                turns[name, count] = str(error)
        for repeat in range(repeats):
            on_step(f"replies of {cost_us:,} µs, {repeat + 1} of {repeats}")
            for subject in random.sample(list(servers), len(servers)):
                mine = turns[subject]
                if not isinstance(mine, str):
                    turn = _turn(servers[subject], work, placement)
                    turns[subject] = turn if isinstance(turn, str) else [*mine, turn]
    return turns


def _start(name: str, count: int, cost_us: int, placement: Placement) -> Server:
    model, respond = find(name), replies.busy(cost_us / 1e6)
    return start(model, respond, cpu=placement.workers or None, workers=count if model.apart else None)


def _turn(server: Server, work: Workload, placement: Placement) -> Turn | str:
    before = _requests(server)
    try:
        with Client(server.address, work, placement.client) as client:
            client.connect()
            neighbours = Neighbours(placement.cpus, client.pid, server.workers)
            records = client.run(lambda tick: None)
            share = neighbours.share()
    except LoadFailed as error:
        return str(error)
    idle = any(now == was for now, was in zip(_requests(server), before, strict=True))
    return Turn(records.per_s, idle, share)


def _requests(server: Server) -> list[int]:
    return [row.requests for row in server.workers.rows[1:]] if server.workers else []


def _row(cost_us: int, subject: Subject, turns: list[Turn] | str, baseline: list[Turn] | str) -> Row:
    row = {"work_us": cost_us, "model": subject[0], "workers": subject[1], **dict.fromkeys(Cores.figures)}
    if isinstance(turns, str) or isinstance(baseline, str):
        return row | {"why_not": turns if isinstance(turns, str) else str(baseline)}
    times = pair(*([turn.per_s for turn in each] for each in (turns, baseline)))
    interval = median_interval(times)
    bounds = {"low": round(interval.low, 3), "high": round(interval.high, 3)} if interval else {}
    return row | bounds | {
        "times": round(median(times), 3) if times else None, "per_s": round(median(turn.per_s for turn in turns), 1),
        "idle_runs": sum(turn.idle for turn in turns), "runs": len(turns), "why_not": "",
    }  # fmt: skip
