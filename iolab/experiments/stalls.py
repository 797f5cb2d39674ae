"""Coordinated omission: one server that stalls, timed by three clocks, as wrk2 shows it.

A client that waits for its replies sends nothing during a stall, and so measures it once a
connection. A schedule goes on: what was due during the stall is late, and counts as late.
"""

from dataclasses import dataclass
from typing import ClassVar

from iolab import replies
from iolab.data.reference import rows_of
from iolab.experiments.attempt import attempt, doubts_of, duration, first_that_runs
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import Sign, at_least, over
from iolab.measurement.placement import place
from iolab.measurement.run import Run
from iolab.traffic.doubts import Doubt, gather
from iolab.traffic.records import Nanoseconds, percentile_us
from iolab.traffic.workload import Workload

CLOSED, SENT, DUE = "closed loop", "open loop, from the send", "open loop, from when due"
PERCENTS = {"p50_us": 50, "p90_us": 90, "p99_us": 99, "p99_9_us": 99.9, "max_us": 100}
STALL_MS = 1400
"""The stall of the published run."""


@dataclass(frozen=True, repr=False)
class Omission(Result):
    """Percentiles of the latency, one row a clock; `stall_us` is how long the server stalls each time."""

    name = "omission"
    title = "one server that stalls, by three clocks"
    published = "wrk2-omission"
    keys: ClassVar[dict[str, str]] = {"clock": "clock"}
    figures: ClassVar[dict[str, str]] = {
        "p99_us": "p99 µs",
        "p50_us": "p50 µs",
        "p90_us": "p90 µs",
        "p99_9_us": "p99.9 µs",
        "max_us": "max µs",
        "stall_us": "",
    }

    @property
    def signs(self) -> list[Sign]:
        """Whether the stall is seen by the clock that counts from when due, and by no other."""
        closed, sent, due = (self.value("p99_us", clock=clock) for clock in (CLOSED, SENT, DUE))
        corrected, uncorrected = (
            look_up(rows_of("wrk2-omission"), f"{each}_ms", percentile=99) for each in ("corrected", "uncorrected")
        )
        stall_us = self.value("stall_us", clock=DUE)
        ratio = over(corrected, uncorrected)
        return [
            at_least("p99 from when due over p99 from the send", over(due, sent), 10, fails_below=3, published=ratio),
            at_least("p99 from when due over p99 of the closed loop", over(due, closed), 10, fails_below=3),
            at_least(
                "p99 from when due over the stall",
                over(due, stall_us),
                0.5,
                fails_below=0.2,
                published=over(corrected, STALL_MS),
            ),
        ]


def omission(
    every_s: float = 1.0,
    for_s: float = 0.1,
    rate_per_s: float = 5000,
    connections: int = 10,
    seconds: float = 2.2,
    on_step: OnStep = quiet,
) -> Omission:
    """Stall a server for `for_s` every `every_s`, under a closed loop and an open one."""
    duration(seconds)
    model, rows, doubts = first_that_runs(("epoll", "poll", "select")), list[Row](), list[Doubt]()
    for loop, rate, clocks in (("closed", None, (CLOSED,)), ("open", rate_per_s, (SENT, DUE))):
        on_step(f"{model.name}, {loop} loop")
        workload = Workload(connections=connections, seconds=seconds, rate_per_s=rate)
        run = attempt(model, workload, replies.stalling(every_s, for_s))
        rows += [_row(run, clock, for_s) for clock in clocks]
        doubts += doubts_of(run, f"{loop} loop")
    return Omission(tuple(rows), str(place()), tuple(gather(doubts, runs=2)))


def _row(run: Run | str, clock: str, for_s: float) -> Row:
    if isinstance(run, str):
        return {"clock": clock, **dict.fromkeys(Omission.figures), "why_not": run}
    times_ns: Nanoseconds = run.records.response_ns if clock == DUE else run.records.service_ns
    percentiles = {key: percentile_us(times_ns, percent) for key, percent in PERCENTS.items()}
    why = "" if percentiles["p99_us"] is not None else f"only {len(times_ns)} replies: too few for a 99th percentile"
    return {"clock": clock, **percentiles, "stall_us": for_s * 1e6, "why_not": why}
