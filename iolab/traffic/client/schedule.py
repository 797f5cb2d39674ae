"""When each request of a connection is due, and how many there are."""

import random
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from .journal import clock


def due_times(work: dict[str, Any], index: int, start_ns: int) -> Iterator[int]:
    """Yield when each request of a connection is due: now, after a pause, or on a schedule."""
    connections = work["connections"]
    after_ns = work["ramp_s"] * 1e9 * index / connections
    if work["rate_per_s"] is None:
        yield start_ns + int(after_ns)
        while True:
            yield clock() + int(work["think_s"] * 1e9)
    gap_ns = 1e9 * connections / work["rate_per_s"]
    after_ns += gap_ns * index / connections
    if work["spacing"] == "even":
        for turn in count():  # a sum of many gaps would drift
            yield start_ns + round(after_ns + turn * gap_ns)
    draw = random.Random(work["seed"] * 1_000_003 + index).expovariate
    while True:
        yield start_ns + int(after_ns)
        after_ns += draw(1 / gap_ns)


def turns(work: dict[str, Any], index: int) -> Iterable[int]:
    """Return the turns of one connection: its share of the requests, or turns without end."""
    if work["requests"] is None:
        return count()
    share, rest = divmod(work["requests"], work["connections"])
    return range(share + (index < rest))
