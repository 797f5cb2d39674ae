"""The load client against the C client, at fixed rates, on the same server, taking turns.

    python -m bench.agreement

Prints two tables of medians; a ratio of 1 is agreement. Both clients run on the same CPU, the
server on another. Service time counts from the send, response time from when a
request was due. In the first table neither client sleeps. In the second both do, and every
time contains the wake-up of their CPU: it takes longer after a longer sleep, and
the faster client sleeps longer.

How long the server's CPU takes to wake up changes from one second to the next, most of all
where it idles for about as long as the hypervisor polls before it sleeps. So the turns are
short, and the percentiles of a round are those of all its turns together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bench import floor
from iolab.display.tables import as_text
from iolab.measurement.placement import place
from iolab.traffic.process import load
from iolab.traffic.records import percentile_us
from iolab.traffic.workload import Workload

RATES = (1_000, 2_000, 5_000, 10_000, 20_000)
ROUNDS, TURNS = 5, 8
SECONDS, WARM_UP_S, CONNECTIONS, SIZE_BYTES = 0.25, 0.1, 10, 64
LIMITS = {50: 0.10, 99: 0.25}
"""By how much a percentile may differ, as a part of the C client's."""

Percentiles = dict[str, float]
Turn = dict[str, "np.ndarray[Any, np.dtype[np.int64]]"]
"""Service and response times of one turn, in nanoseconds."""


@dataclass(frozen=True)
class Agreement:
    """The percentiles of one rate, of all rounds, by both clients."""

    rate_per_s: int
    ours: list[Percentiles]
    theirs: list[Percentiles]

    def medians(self, name: str) -> tuple[float, float]:
        """Return the medians of a percentile, ours and theirs, in microseconds."""
        return median([run[name] for run in self.ours]), median([run[name] for run in self.theirs])

    def ratio(self, name: str) -> float:
        """Return ours over theirs: the median of the rounds, in each of which the two are compared."""
        return median([ours[name] / theirs[name] for ours, theirs in zip(self.ours, self.theirs, strict=True)])

    def holds(self) -> bool:
        """Return whether every percentile of the service time is within its limit."""
        return all(abs(self.ratio(f"p{percent}") - 1) <= limit for percent, limit in LIMITS.items())

    def row(self) -> dict[str, Any]:
        """Return the medians and their ratios as a row of a table."""
        names = ("p50", "p99", "response p50", "response p99")
        figures = {f"{name} µs, {who}": self.medians(name)[at] for name in names for at, who in enumerate(("py", "C"))}
        ratios = {f"{name} ratio": f"{self.ratio(name):.2f}" for name in names}
        return {"rate/s": self.rate_per_s, **figures, **ratios, "agrees": "yes" if self.holds() else "no"}


def agreement(rates: Iterable[int] = RATES, rounds: int = ROUNDS, *, spin: bool = True) -> list[Agreement]:
    """Measure both clients in turn, A B A B, at every rate; where they share a CPU with the server, both sleep."""
    placement = place()
    spin = spin and placement.client is not None
    with floor.Server(placement.server) as server:
        return [_at(server.address, rate, rounds, placement.client, spin) for rate in rates]


def _at(address: tuple[str, int], rate_per_s: int, rounds: int, cpu: int | None, spin: bool) -> Agreement:
    result = Agreement(rate_per_s, [], [])
    for _ in range(rounds):
        turns = [(_ours(address, rate_per_s, cpu, spin), _theirs(address, rate_per_s, cpu, spin)) for _ in range(TURNS)]
        ours, theirs = zip(*turns, strict=True)
        result.ours.append(_percentiles(ours))
        result.theirs.append(_percentiles(theirs))
    return result


def _percentiles(turns: Sequence[Turn]) -> Percentiles:
    pooled = {name: np.concatenate([turn[name] for turn in turns]) for name in turns[0]}
    return {f"{name}p{percent}": percentile_us(ns, percent) or 0.0 for name, ns in pooled.items() for percent in LIMITS}


def _ours(address: tuple[str, int], rate_per_s: int, cpu: int | None, spin: bool) -> Turn:
    work = Workload(
        connections=CONNECTIONS,
        size_bytes=SIZE_BYTES,
        seconds=SECONDS,
        rate_per_s=rate_per_s,
        warm_up_s=WARM_UP_S,
        spin=spin,
    )
    records = load(address, work, cpu=cpu)
    assert not records.errors, records.errors
    return {"": records.service_ns, "response ": records.response_ns}


def _theirs(address: tuple[str, int], rate_per_s: int, cpu: int | None, spin: bool) -> Turn:
    result = floor.client(
        address[1],
        CONNECTIONS,
        SIZE_BYTES,
        seconds=SECONDS,
        rate_per_s=rate_per_s,
        cpu=cpu,
        warm_up_s=WARM_UP_S,
        spin=spin,
    )
    assert not result.errors, result.error
    return {"": result.answered_ns - result.sent_ns, "response ": result.answered_ns - result.due_ns}


if __name__ == "__main__":
    for spin in (True, False):
        print(as_text([each.row() for each in agreement(spin=spin)]))
