"""The cost of a wait against the number of watched descriptors: table 63-9 of TLPI.

Of N descriptors one, chosen at random, is ready; `poll`, `select` and `epoll_wait` are asked
which. No server and no network: what is left is the system call, and Python around it.
"""

import os
import random
import select
import selectors
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from statistics import median
from typing import Any, ClassVar

from iolab.data.reference import rows_of
from iolab.errors import unknown
from iolab.experiments.attempt import duration, pinned, sizes
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import NO_FIGURES, Sign, at_least, at_most, exponent, missing, over
from iolab.kernel import descriptors
from iolab.measurement.placement import place

CALLS = ("poll", "select", "epoll")
SELECTORS = tuple(
    f"{kind}Selector"
    for kind in ("Epoll", "Kqueue", "Devpoll", "Poll", "Select")
    if hasattr(selectors, f"{kind}Selector")
)
"""The classes of `selectors` that this platform has: each can be measured as a call, too."""

ONCE = tuple(f"{kind}, once" for kind in SELECTORS)
"""The same for a single wait: a selector that is made, told of all, asked, and closed."""

LEAST = 100
"""Growth is read from this many descriptors on: below, Python's own cost of a call hides it."""

MANY = 1000
"""The most expensive call is compared with the cheapest from this many descriptors on."""

EVENTFD = hasattr(os, "eventfd")
ROUNDS = 5
BESIDE = ("poll", "epoll")
FD_SETSIZE = 1024
READ = selectors.EVENT_READ
"""The number 1, as POLLIN and EPOLLIN are (`poll(2)`)."""

ONE = (1).to_bytes(8, sys.byteorder)
"""What makes an eventfd readable, and any pipe too (`eventfd(2)`)."""

Wait = Callable[[], Any]


@dataclass(frozen=True, repr=False)
class WaitCost(Result):
    """The CPU time of a wait, one row a number of watched descriptors and call."""

    name = "wait_cost"
    title = "cost of a wait against the number of watched descriptors"
    published = "tlpi-63-9"
    keys: ClassVar[dict[str, str]] = {"watched": "watched", "call": "call"}
    figures: ClassVar[dict[str, str]] = {"us_per_wait": "µs a wait"}

    @property
    def signs(self) -> list[Sign]:
        """Whether each call grows, or stays, as in the published table."""
        return signs(self.rows, rows_of("tlpi-63-9"))


def signs(rows: Sequence[Row], published: Sequence[Row]) -> list[Sign]:
    """Compare the growth of each call, and the most expensive over the cheapest, with the published table."""
    return [_growth(rows, published, call) for call in CALLS] + [_contrast(rows, published)]


def _growth(rows: Sequence[Row], published: Sequence[Row], call: str) -> Sign:
    sizes = sorted({row["watched"] for row in rows if row["watched"] >= LEAST})
    here = exponent((size, look_up(rows, "us_per_wait", watched=size, call=call)) for size in sizes)
    there = exponent((row["watched"], row[f"{call}_s"]) for row in published if row["watched"] >= LEAST)
    what = f"{call}, exponent of growth"
    if there is None:
        return missing(what, "there is no published figure")
    why_not = NO_FIGURES if len(sizes) > 1 else f"it needs two numbers of descriptors from {LEAST} on"
    if there < 0.5:
        return at_most(what, here, 0.3, fails_above=0.6, published=there, why_not=why_not)
    return at_least(what, here, 0.7, fails_below=0.4, published=there, why_not=why_not)


def _contrast(rows: Sequence[Row], published: Sequence[Row]) -> Sign:
    sizes = {row["watched"] for row in rows if row["watched"] >= MANY}
    ratios = {size: over(*(look_up(rows, "us_per_wait", watched=size, call=call) for call in BESIDE)) for size in sizes}
    most = max((size for size, ratio in ratios.items() if ratio), default=0)
    there = next((over(row["poll_s"], row["epoll_s"]) for row in published if row["watched"] == most), None)
    what = "poll over epoll, where most are watched"
    why_not = NO_FIGURES if sizes else f"it needs {MANY:,} descriptors"
    return at_least(what, ratios.get(most), 10, fails_below=3, published=there, why_not=why_not)


def wait_cost(
    watched: Sequence[int] = (10, 100, 500, 1000, 10000),
    calls: Sequence[str] = CALLS,
    seconds: float = 0.1,
    on_step: OnStep = quiet,
) -> WaitCost:
    """Measure the CPU time of a wait for each number of descriptors and each call, `seconds` each.

    A call is a system call of CALLS, a class of SELECTORS, or one of ONCE.
    """
    duration(seconds)
    counts = sizes("watched", watched, 1)
    placement, rows = place(), list[Row]()
    with pinned(placement.server):
        for count in counts:
            on_step(f"{count:,} watched descriptors")
            rows += _rows(count, calls, seconds)
    where = str(placement) if placement.server is None else f"on CPU {placement.server}"
    return WaitCost(tuple(rows), where)


def _rows(count: int, calls: Sequence[str], seconds: float) -> list[Row]:
    each = 1 if EVENTFD else 2
    room = descriptors.room() // each
    if count > room:
        return [_row(count, call, None, f"this process has room for {room:,} more (`ulimit -Hn`)") for call in calls]
    with ExitStack() as stack:
        ends = [_open(stack) for _ in range(count)]
        waits = {call: _wait(call, [end for end, _ in ends], stack) for call in calls}
        able = {call: wait for call, wait in waits.items() if not isinstance(wait, str)}
        costs = _costs_us(ends, able, seconds)
        return [_row(count, call, costs.get(call), "" if call in able else str(waits[call])) for call in calls]


def _row(count: int, call: str, cost_us: float | None, why_not: str) -> Row:
    return {"watched": count, "call": call, "us_per_wait": cost_us, "why_not": why_not}


def _open(stack: ExitStack) -> tuple[int, int]:
    """Return the end to watch, and the end that makes it ready: of an eventfd, which is one descriptor, or a pipe."""
    ends = (os.eventfd(0),) * 2 if EVENTFD else os.pipe()
    for end in set(ends):
        stack.callback(os.close, end)
    return ends


def _wait(call: str, watched: Sequence[int], stack: ExitStack) -> Wait | str:
    """Return a function that waits for all of them, or say why there is none."""
    kind, once = call.removesuffix(", once"), call in ONCE
    if not hasattr(select, call) and kind not in SELECTORS:
        return f"{call} is not a system call of this system"
    if kind in ("select", "SelectSelector") and max(watched) >= FD_SETSIZE:
        return f"select takes descriptors below 1024, and one is {max(watched)}"
    if call == "select":
        return partial(select.select, watched, (), ())
    if once:
        return partial(_once, getattr(selectors, kind), watched)
    interest = getattr(selectors if call in SELECTORS else select, call)()
    if hasattr(interest, "close"):
        stack.callback(interest.close)
    for end in watched:
        interest.register(end, READ)
    wait: Wait = interest.select if call in SELECTORS else interest.poll
    return wait


def _once(kind: type[selectors.BaseSelector], watched: Sequence[int]) -> None:
    with kind() as interest:
        for end in watched:
            interest.register(end, READ)
        interest.select()


def takes_files(kinds: Sequence[str] = SELECTORS) -> dict[str, bool]:
    """Say of each selector whether it takes a regular file; `epoll_ctl(2)` refuses it, `poll(2)` calls it ready."""
    if strange := [kind for kind in kinds if kind not in SELECTORS]:
        raise unknown("selector", strange[0], SELECTORS)
    return {kind: _takes_file(getattr(selectors, kind)) for kind in kinds}


def _takes_file(kind: type[selectors.BaseSelector]) -> bool:
    with kind() as interest, tempfile.TemporaryFile() as file:
        try:
            interest.register(file, READ)
        except PermissionError:
            return False
        return True


def _costs_us(ends: Sequence[tuple[int, int]], waits: dict[str, Wait], seconds: float) -> dict[str, float]:
    costs: dict[str, list[float]] = {call: [] for call in waits}
    draw = random.Random(1)
    for _ in range(ROUNDS):  # the calls take turns: what the machine does meanwhile falls on all
        ready, wake = draw.choice(ends)
        os.write(wake, ONE)
        for call, wait in waits.items():
            costs[call].append(_cost_us(wait, seconds / ROUNDS))
        os.read(ready, len(ONE))
    return {call: round(median(times), 3) for call, times in costs.items()}


def _cost_us(wait: Wait, seconds: float) -> float:
    once_ns = max(_cpu_ns(wait, 3) / 3, 50)
    loops = max(3, int(seconds * 1e9 / once_ns))
    return _cpu_ns(wait, loops) / loops / 1e3


def _cpu_ns(wait: Wait, loops: int) -> int:
    start_ns = time.thread_time_ns()  # CPU time: what others run meanwhile does not count
    for _ in repeat(None, loops):
        wait()
    return time.thread_time_ns() - start_ns
