"""Where the time of a call went: asleep, waking, running, preempted, or waiting for a lock.

Theory of operation. The kernel's records cut the life of a thread into spans on a CPU and spans away
from one; of those away, some are preemptions, and the others sleeps. A receive stamp cuts the sleep in
which the bytes came: before it nobody had anything to do, after it the thread was due. A sleep that
began when everything was there is for something else: in Python nearly always the interpreter's lock,
which a call takes back before it returns::

    call   |------------------------------------------------------|
    CPU    ####..............................####......##### ~~~~ ##
           run         asleep       | waking run  lock  run  pre- run
                                 arrival                     empted

The parts add up to the length of the call. Nothing is measured during it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, Self

from iolab.trace.absences import Absence

Part = Literal["asleep", "waking", "running", "preempted", "lock"]


class Span(NamedTuple):
    """A stretch of a call that is one part."""

    part: Part
    start_ns: int
    end_ns: int


class Occupancy(NamedTuple):
    """The parts of one call in nanoseconds; they add up to its length.

    `asleep` while nothing had arrived; `waking` from the arrival until the thread was on a CPU again;
    `running` on a CPU, in the system call and around it; `preempted` while another had the CPU; `lock` asleep
    though all had arrived. Without a known arrival every sleep counts as `asleep`.
    """

    asleep_ns: int = 0
    waking_ns: int = 0
    running_ns: int = 0
    preempted_ns: int = 0
    lock_ns: int = 0

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Self:
        """Add the spans of a call up."""
        total = dict.fromkeys(cls._fields, 0)
        for part, start_ns, end_ns in spans:
            total[f"{part}_ns"] += end_ns - start_ns
        return cls(**total)


def cut(start_ns: int, end_ns: int, arrived_ns: int | None, away: Sequence[Absence]) -> Iterator[Span]:
    """Yield the spans of a call one after the other, given the absences in it.

    An arrival before the call or after its end, as the offset of two clocks makes it, counts as its start or end.
    """
    arrived_ns = end_ns if arrived_ns is None else min(max(arrived_ns, start_ns), end_ns)
    now_ns = start_ns
    for absence in away:
        if now_ns < absence.start_ns:
            yield Span("running", now_ns, absence.start_ns)
        yield from _parts(absence, arrived_ns)
        now_ns = absence.end_ns
    if now_ns < end_ns:
        yield Span("running", now_ns, end_ns)


def _parts(absence: Absence, arrived_ns: int) -> Iterator[Span]:
    start_ns, end_ns, preempted = absence
    if preempted:
        yield Span("preempted", start_ns, end_ns)
    elif arrived_ns <= start_ns:
        yield Span("lock", start_ns, end_ns)
    elif arrived_ns >= end_ns:
        yield Span("asleep", start_ns, end_ns)
    else:
        yield Span("asleep", start_ns, arrived_ns)
        yield Span("waking", arrived_ns, end_ns)


def microseconds(occupancy: Occupancy | None) -> dict[str, float | None]:
    """Return the parts under the names of the JSON output; None for each where the kernel did not tell."""
    names = [field.replace("_ns", "_us") for field in Occupancy._fields]
    values = [None] * len(names) if occupancy is None else [round(value_ns / 1e3, 3) for value_ns in occupancy]
    return dict(zip(names, values, strict=True))
