"""Where the time of a call went: asleep, waking, running, preempted, or waiting for a lock.

Theory of operation. The kernel's records cut the life of a thread into spans on a CPU and spans away
from one; of those away, some are preemptions, and the others sleeps. A receive stamp cuts the sleep in
which the bytes came: before it nobody had anything to do, after it the thread was due. A sleep that
began when everything was there is for something else: in Python nearly always the interpreter's lock,
which a call takes back before it returns.

    call   |------------------------------------------------------|
    CPU    ####..............................####......##### ~~~~ ##
           run         asleep       | waking run  lock  run  pre- run
                                 arrival                     empted

The five parts add up to the length of the call. Nothing is measured during the call. All is computed
from running totals: how long a thread had slept, or had been preempted, by some moment.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iolab.kernel.switches import Switch
from iolab.trace.calls import Call

Times = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
"""A time that does not come: the arrival of what had not arrived, or the return of a thread that stays away."""


class Occupancy(NamedTuple):
    """The parts of one call in nanoseconds; they add up to its length.

    `asleep` while nothing had arrived; `waking` from the arrival until the thread was on a CPU again;
    `running` on a CPU, in the system call and around it; `preempted` while another had the CPU; `lock` asleep
    though all had arrived. Without a known arrival every sleep counts as `asleep`.
    """

    asleep_ns: int
    waking_ns: int
    running_ns: int
    preempted_ns: int
    lock_ns: int


class Gap(NamedTuple):
    """What a thread did between two calls: at work in Python, asleep for a lock or in a call unseen, or preempted."""

    thread: int
    start_ns: int
    end_ns: int
    working_ns: int
    lock_ns: int
    preempted_ns: int


class Spans:
    """Spans of time that follow each other, and how much of them lies before any moment."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        table = np.array(spans, np.int64).reshape(-1, 2)
        self._begin, self._end = table[:, 0], table[:, 1]
        lengths = self._end[:-1] - self._begin[:-1]
        self._total = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)

    def before(self, moments: Times) -> Times:
        """Return how much of the spans lies before each moment, in ns."""
        if not len(self._begin):
            return np.zeros_like(moments)
        span = self._span(moments)
        within = np.minimum(moments, self._end[span]) - self._begin[span]
        return np.where(moments > self._begin[0], self._total[span] + within, 0)

    def end_of(self, moments: Times) -> Times:
        """Return the end of the span that each moment lies in; the moment itself if it lies in none."""
        if not len(self._begin):
            return moments
        span = self._span(moments)
        inside = (self._begin[span] < moments) & (moments < self._end[span])
        return np.where(inside, self._end[span], moments)

    def _span(self, moments: Times) -> NDArray[np.intp]:
        return np.maximum(np.searchsorted(self._begin, moments, side="right") - 1, 0)


@dataclass(frozen=True)
class Absences:
    """When one thread was away from every CPU: its sleeps, and its preemptions."""

    sleeps: Spans
    preemptions: Spans


def absences(switches: Iterable[Switch], since_ns: int) -> Absences:
    """Pair the switches of one thread, in order of time; one that first comes back had slept since the recording began.

    Of a thread that left twice in a row the second time counts: when it came back between is not known.
    """
    spans: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    left: Switch | None = None
    first = True
    for switch in switches:
        if switch.away:
            left = switch
        elif left or first:
            spans[bool(left and left.preempted)].append((left.at_ns if left else since_ns, switch.at_ns))
            left = None
        first = False
    if left:
        spans[left.preempted].append((left.at_ns, NEVER))
    return Absences(Spans(spans[False]), Spans(spans[True]))


def split(start_ns: Times, end_ns: Times, arrived_ns: Times, away: Absences) -> Times:
    """Return the parts of the calls of one thread: a row a call, a column for each field of Occupancy, in ns.

    `arrived_ns` is NEVER for a call without a known arrival. An arrival before the call or after its end, as
    the offset of two clocks makes it, counts as its start or end.
    """
    arrived_ns = np.clip(arrived_ns, start_ns, end_ns)
    slept_by_then = away.sleeps.before(arrived_ns)
    asleep = slept_by_then - away.sleeps.before(start_ns)
    waking = np.minimum(away.sleeps.end_of(arrived_ns), end_ns) - arrived_ns
    lock = away.sleeps.before(end_ns) - slept_by_then - waking
    preempted = away.preemptions.before(end_ns) - away.preemptions.before(start_ns)
    running = end_ns - start_ns - asleep - waking - lock - preempted
    return np.stack([asleep, waking, running, preempted, lock], axis=1)


def occupancies(
    calls: Sequence[Call], switches: Iterable[Switch], since_ns: int, until_ns: int | None = None
) -> list[Occupancy | None]:
    """Return the parts of each call; None for one that began before the recording or ended after it."""
    by_thread = _by_thread(switches)
    rows: list[Occupancy | None] = [None] * len(calls)
    for thread, places in _places(calls, since_ns, until_ns).items():
        mine = [calls[place] for place in places]
        arrived = [NEVER if call.arrived_ns is None else call.arrived_ns for call in mine]
        parts = split(*_times(mine), np.array(arrived, np.int64), absences(by_thread.get(thread, ()), since_ns))
        for place, row in zip(places, parts.tolist(), strict=True):
            rows[place] = Occupancy(*row)
    return rows


def arrivals(calls: Sequence[Call], wakings: Iterable[tuple[int, int]]) -> list[int | None]:
    """Return the arrival of each call: the one it has, else the first time within it that its thread was woken.

    `wakings` are pairs of thread and time, in order of time, for those who may see the kernel's steps. Later
    ones may be the interpreter's lock.
    """
    times: dict[int, list[int]] = {}
    for thread, at_ns in wakings:
        times.setdefault(thread, []).append(at_ns)
    return [_first(times.get(call.thread, ()), call) if call.arrived_ns is None else call.arrived_ns for call in calls]


def _first(times_ns: Sequence[int], call: Call) -> int | None:
    place = bisect_left(times_ns, call.start_ns)
    return times_ns[place] if place < len(times_ns) and times_ns[place] <= call.end_ns else None


def gaps(calls: Sequence[Call], switches: Iterable[Switch], since_ns: int, until_ns: int | None = None) -> list[Gap]:
    """Return what lies between each call and the next of its thread; the calls are in order of their begin."""
    by_thread = _by_thread(switches)
    return [
        gap
        for thread, places in _places(calls, since_ns, until_ns).items()
        for gap in _gaps(thread, [calls[place] for place in places], absences(by_thread.get(thread, ()), since_ns))
    ]


def _gaps(thread: int, calls: Sequence[Call], away: Absences) -> list[Gap]:
    starts, ends = _times(calls)
    begin, end = ends[:-1], np.maximum(starts[1:], ends[:-1])
    lock, preempted = (spans.before(end) - spans.before(begin) for spans in (away.sleeps, away.preemptions))
    rows = np.stack([begin, end, end - begin - lock - preempted, lock, preempted], axis=1)
    return [Gap(thread, *row) for row in rows.tolist()]


def _times(calls: Sequence[Call]) -> tuple[Times, Times]:
    return np.array([call.start_ns for call in calls], np.int64), np.array([call.end_ns for call in calls], np.int64)


def _by_thread(switches: Iterable[Switch]) -> dict[int, list[Switch]]:
    threads: dict[int, list[Switch]] = {}
    for switch in switches:
        threads.setdefault(switch.thread, []).append(switch)
    return threads


def _places(calls: Sequence[Call], since_ns: int, until_ns: int | None) -> dict[int, list[int]]:
    """Return, for every thread, where in the list those of its calls are that the recording covers."""
    places: dict[int, list[int]] = {}
    for place, call in enumerate(calls):
        if call.start_ns >= since_ns and (until_ns is None or call.end_ns <= until_ns):
            places.setdefault(call.thread, []).append(place)
    return places
