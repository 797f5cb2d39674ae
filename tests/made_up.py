"""Made-up runs of the experiments, each with knobs for what its judge looks at."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from iolab import MODELS
from iolab.experiments import (
    Balance,
    ConnectionCost,
    CopyCost,
    Cores,
    Gil,
    Herd,
    IdleCost,
    Omission,
    Same,
    WaitCost,
)
from iolab.experiments.equals import ANY, EACH, HOLM
from iolab.experiments.file_access import POOL, READS, RING, WRITES, Files
from iolab.experiments.interpreter_lock import ALONE, BESIDE, TOGETHER
from iolab.experiments.stalls import CLOSED, DUE, SENT
from iolab.experiments.uring_steps import ONE_ENTER, ONESHOT, RingSteps
from iolab.measurement.cpu import CpuSamples, Usage
from iolab.measurement.placement import Placement
from iolab.measurement.run import Run
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline
from iolab.traffic.records import Records
from iolab.traffic.workload import Workload

WORDS = ("holds", "fails", "cannot tell", "cannot run here")


def waits(*, poll: float = 1.0, epoll: float = 0.0, select: float = 1.0, most: int = 10000, us: float = 10) -> WaitCost:
    """Calls whose cost grows with the given exponents, from `us` microseconds at 100 descriptors."""
    grown = {"poll": poll, "select": select, "epoll": epoll}
    sizes = [size for size in (10, 100, 500, 1000, 10000) if size <= most]
    return WaitCost(
        tuple(
            {"watched": size, "call": call, "us_per_wait": us * (size / 100) ** power, "why_not": ""}
            for size, (call, power) in itertools.product(sizes, grown.items())
        ),
        "on CPU 0",
    )


def copies(small_us: float | None, large_us: float | None, spread: float = 1.05, waking_us: float = 20) -> CopyCost:
    """Return the copies of 64 bytes and of 2 MB, with intervals that reach so many times further up and down."""
    rows = [
        {
            "size_bytes": size,
            "copy_us": middle,
            "copy_low_us": middle and middle / spread,
            "copy_high_us": middle and middle * spread,
            "waking_us": middle and waking_us,
            "running_us": middle and 10 + middle,
            "why_not": "" if middle else "made up to be missing",
        }
        for size, middle in ((64, small_us), (2 << 20, large_us))
    ]
    return CopyCost(tuple(rows), "on CPU 0")


def idles(*, select: float | None = 4.0, poll: float | None = 4.0, epoll: float | None = 1.0) -> IdleCost:
    """Models whose requests cost so many times as much with 900 idle connections as with none."""
    grown = {"select": select, "poll": poll, "epoll": epoll}
    return IdleCost(
        tuple(
            {
                **dict.fromkeys(IdleCost.figures, 7.0),
                "idle": idle,
                "model": model,
                "cpu_us_per_request": None if times is None else 7.0 * (times if idle else 1),
                "why_not": "" if times else "made up to be missing",
            }
            for idle, (model, times) in itertools.product((0, 900), grown.items())
        ),
        "",
    )


def stalls(closed: float | None, sent: float | None, due: float | None, stall: float = 100_000) -> Omission:
    """Return p99s of the three clocks, in microseconds."""
    p99 = {CLOSED: closed, SENT: sent, DUE: due}
    rows = [{**dict.fromkeys(Omission.figures, us), "clock": clock, "why_not": ""} for clock, us in p99.items()]
    return Omission(tuple(row | {"stall_us": stall} for row in rows), "")


def gils(alone: float | None, together: float | None, beside: float | None, why_not: str = "") -> Gil:
    """Return requests per second in the three cases; one after the other, so that each takes its share of a second."""
    rates = {ALONE: alone, TOGETHER: together, BESIDE: beside}
    rows = [
        {
            "case": case,
            "per_s": rate,
            **dict.fromkeys(("p50_us", "p99_us"), rate and 1e6 / rate),
            "why_not": "" if rate else why_not,
        }
        for case, rate in rates.items()
    ]
    return Gil(tuple(rows), "")


def memories(threads: float | None, epoll: float | None, asyncio: float | None) -> ConnectionCost:
    """Return the bytes of a connection; at 100 of them nothing is right, so that the most must be taken."""
    held = {"threads": threads, "epoll": epoll, "asyncio": asyncio}
    figures = dict.fromkeys(ConnectionCost.figures, 1.0)
    return ConnectionCost(
        tuple(
            {**figures, "model": model, "connections": count, "memory_bytes_per_connection": size, "why_not": ""}
            for model, most in held.items()
            for count, size in ((100, most and 1.0), (1000, most))
        ),
        "",
    )


def equals(wrong: int | None, rankings: int = 20) -> Same:
    """Return rankings of equals of which so many are wrong with Holm's correction, and three times as many without."""
    counts = {EACH: (5, 100), ANY: (min(rankings, 3 * (wrong or 1)), rankings), HOLM: (wrong, rankings)}
    rows = [
        {
            "way": way,
            "models": models,
            **(
                dict.fromkeys(Same.figures)
                if wrong is None
                else {"share": (different or 0) / judged, "different": different, "judged": judged}
            ),
            "why_not": "made up to be missing" if wrong is None else "",
        }
        for models, (way, (different, judged)) in itertools.product((2, 6), counts.items())
    ]
    return Same(tuple(rows), "")


def ring_costs(first: float | None, last: float | None, calls: float = 1.0) -> RingSteps:
    """Return the CPU time of a request on the first and the last step; at first it takes three system calls."""
    return RingSteps(
        tuple(
            {**dict.fromkeys(RingSteps.figures, 1.0), "connections": count, "step": step, "calls": us and made,
             "us_per_request": us, "why_not": "" if us else "made up to be missing"}
            for count in (1, 50) for step, us, made in ((ONESHOT, first, 3.0), (ONE_ENTER, last, calls))
        ),
        "",
    )  # fmt: skip


def file_costs(rate: float | None, us: float | None) -> Files:
    """Return what a ring does beside a pool with 1,000 operations per second, at 10 us each."""
    figures = {"pool": (1000.0, 10.0), "ring": (rate, us)}
    return Files(
        tuple(
            {**dict.fromkeys(Files.figures, 1.0), "work": work, "way": way, "per_s": figures[key][0],
             "us_per_operation": figures[key][1], "why_not": "" if figures[key][0] else "made up to be missing"}
            for work in (WRITES, READS) for way, key in ((POOL, "pool"), (RING, "ring"))
        ),
        "",
    )  # fmt: skip


def herds(woken: float | None, alone: float | None, cost: float = 3.0) -> Herd:
    """Return wake-ups of eight workers without and with EPOLLEXCLUSIVE; without, a connection costs `cost` times."""
    return Herd(
        tuple(
            {"model": model, "workers": 8, "wake_ups": wakes, "vain": 0.0, "cpu_us": wakes and 50 * times,
             "why_not": "" if wakes else "made up to be missing"}
            for model, wakes, times in (("prefork", woken, cost), ("prefork-exclusive", alone, 1.0))
        ),
        "",
    )  # fmt: skip


def balances(shared: float | None, own: float | None, tail: float = 10.0) -> Balance:
    """Return the busiest worker's share on one socket and on one each, where latencies spread `tail` times as far."""
    return Balance(
        tuple(
            {"model": model, "busiest": share, "late": 0.1, "p50_us": 100.0, "max_us": share and 1e3 * times,
             "deviation_us": share and 1e2 * times, "workers": 4, "stall_us": 1e5,
             "why_not": "" if share else "made up to be missing"}
            for model, share, times in (("prefork-exclusive", shared, 1.0), ("reuseport", own, tail))
        ),
        "",
    )  # fmt: skip


def gains(handoff: float | None, threads: float | None, workers: int = 2) -> Cores:
    """Return what workers and threads make of replies of 1 ms, as times one epoll server."""
    made = (("threads", 1, threads), ("handoff", 1, 1.0), ("handoff", workers, handoff))
    return Cores(
        tuple(
            {**dict.fromkeys(Cores.figures), "work_us": 1000, "model": model, "workers": count, "times": times,
             "per_s": times and 1000 * times, "idle_runs": 0, "runs": 6,
             "why_not": "" if times else "made up to be missing"}
            for model, count, times in dict.fromkeys(made)
        ),
        "",
    )  # fmt: skip


def machine_without(model: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one model be unable to run here, for a reason."""
    probe = type(MODELS[model]).why_not
    monkeypatch.setattr(type(MODELS[model]), "why_not", lambda asked: reason if asked.name == model else probe(asked))


def timeline_of(calls: Iterable[Call], stamped: bool = True, model: str = "blocking") -> Timeline:
    """A timeline of these calls, under a load that recorded nothing."""
    nothing = np.array([], dtype=np.int64)
    records = Records(Workload(), nothing.astype(np.int32), nothing, nothing, nothing, 0, 1, 1, 1)
    return Timeline(model, tuple(calls), records, Placement(0, 1), stamped, 500)


def run_of(model: str, us: float, connections: int = 10) -> Run:
    """Return a run of one request that took so much CPU time."""
    once, at_ns = np.array([1]), np.array([0, 10**6])
    records = Records(Workload(connections=connections), once, once, once, once, 0, 1, 1, 1)
    cpu = CpuSamples(at_ns, np.array([0, round(us * 1000)]))
    return Run(model, records, cpu, Usage(0, 0, 0, 0), 0, Placement(0, 1))
