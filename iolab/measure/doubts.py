"""What makes a run less than it seems, each in one sentence."""

import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from iolab.load.records import Records

if TYPE_CHECKING:
    from iolab.measure.run import Run

CLIENT_LIMIT = 0.9
"""Above this share of a CPU, it is the client that is measured."""

NEIGHBOUR_LIMIT = 0.15
"""Above this share of a core, what others do there is in the figures."""

GRACE_NS = 10_000_000
"""A rate is held if all but 1 % were sent by then, and 1 % of the time, after the end."""

COARSE_NS = 1000
"""A clock with longer steps than this cannot time a request of a few microseconds."""


def doubts(run: "Run") -> Iterator[str]:
    """Say what a run cannot tell: the client's limit, the rate, the neighbours, the clock, and what went wrong."""
    records = run.records
    if records.client_cpu_share > CLIENT_LIMIT:
        yield (
            f"the client used {records.client_cpu_share:.0%} of its CPU: "
            "the requests per second are its limit, not the server's"
        )
    yield from rate(records)
    if run.neighbours_share is not None and run.neighbours_share > NEIGHBOUR_LIMIT:
        yield (
            f"other processes took {run.neighbours_share:.0%} of a core, of the CPUs that were used: "
            "latencies are longer than they would be alone"
        )
    if clock_step_ns() > COARSE_NS:
        yield f"the clock moves in steps of {clock_step_ns() / 1e3:,.0f} µs: shorter times are guesses"
    yield from (f"{count} x {kind}: {records.examples[kind]}" for kind, count in records.errors.items())


def rate(records: Records) -> Iterator[str]:
    """Say what was held of a rate that was asked for, if requests were left when the time was over."""
    asked, seconds, start_ns = records.workload.rate_per_s, records.workload.seconds, records.start_ns
    if asked is None:
        return
    end_ns = int(records.due_ns.max(initial=start_ns)) if seconds is None else start_ns + seconds * 1e9
    not_sent = records.errors.get("not sent", 0)
    left = int((records.sent_ns > end_ns + GRACE_NS + (end_ns - start_ns) / 100).sum()) + not_sent
    if left > (len(records) + not_sent) / 100:
        yield f"asked {asked:,.0f}/s, held {records.per_s:,.0f}/s: {left:,} requests were left when the time was over"


@cache
def clock_step_ns() -> int:
    """Return the shortest step of the clock that was seen in a hundred; reading it takes time too."""
    return min(_step_ns() for _ in range(100))


def _step_ns() -> int:
    first_ns = now_ns = time.perf_counter_ns()
    while now_ns == first_ns:
        now_ns = time.perf_counter_ns()
    return now_ns - first_ns
