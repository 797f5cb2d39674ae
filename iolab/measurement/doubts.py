"""What makes a run less than it seems, each in one sentence."""

import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from iolab.traffic.doubts import limit, rate, wrong

if TYPE_CHECKING:
    from iolab.measurement.run import Run

NEIGHBOUR_LIMIT = 0.15
"""Above this share of a core, what others do there is in the figures."""

COARSE_NS = 1000
"""A clock with longer steps than this cannot time a request of a few microseconds."""


def doubts(run: "Run") -> Iterator[str]:
    """Say what a run cannot tell: the client's limit, the rate, the neighbours, the clock, and what went wrong."""
    records = run.records
    yield from limit(records)
    yield from rate(records)
    if run.neighbours_share is not None and run.neighbours_share > NEIGHBOUR_LIMIT:
        yield (
            f"other processes took {run.neighbours_share:.0%} of a core, of the CPUs that were used: "
            "latencies are longer than they would be alone"
        )
    if clock_step_ns() > COARSE_NS:
        yield f"the clock moves in steps of {clock_step_ns() / 1e3:,.0f} µs: shorter times are guesses"
    yield from wrong(records)


@cache
def clock_step_ns() -> int:
    """Return the shortest step of the clock that was seen in a hundred; reading it takes time too."""
    return min(_step_ns() for _ in range(100))


def _step_ns() -> int:
    first_ns = now_ns = time.perf_counter_ns()
    while now_ns == first_ns:
        now_ns = time.perf_counter_ns()
    return now_ns - first_ns
