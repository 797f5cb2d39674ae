"""When a thread was away from every CPU, made from the kernel's records of its switches."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from iolab.kernel.switches import Switch

NEVER = 2**63 - 1
"""The return of a thread that stays away."""


class Absence(NamedTuple):
    """A thread left its CPU and came back: it slept, or was `preempted` though it could have run on."""

    start_ns: int
    end_ns: int
    preempted: bool = False


class Absences:
    """The absences of each thread, and between which times they are known."""

    def __init__(self, switches: Iterable[Switch], since_ns: int, until_ns: int | None = None) -> None:
        self.since_ns, self.until_ns = since_ns, NEVER if until_ns is None else until_ns
        self._of = {thread: pair(own, since_ns) for thread, own in _by_thread(switches).items()}
        self._ends = {thread: [absence.end_ns for absence in own] for thread, own in self._of.items()}

    def within(self, thread: int, start_ns: int, end_ns: int) -> tuple[Absence, ...] | None:
        """Return the absences of a thread in a span of time, cut to it; None if not all of it was watched."""
        if start_ns < self.since_ns or end_ns > self.until_ns:
            return None
        own, ends = self._of.get(thread, ()), self._ends.get(thread, ())
        inside: list[Absence] = []
        for place in range(bisect_right(ends, start_ns), len(own)):
            absence = own[place]
            if absence.start_ns >= end_ns:
                break
            inside.append(Absence(max(absence.start_ns, start_ns), min(absence.end_ns, end_ns), absence.preempted))
        return tuple(inside)


def pair(switches: Iterable[Switch], since_ns: int) -> Sequence[Absence]:
    """Pair the switches of one thread, in order of time; one that first comes back had slept since the recording began.

    Of a thread that left twice in a row the second time counts: when it came back between is not known.
    """
    absences: list[Absence] = []
    leave: Switch | None = None
    first = True
    for switch in switches:
        if switch.away:
            leave = switch
        elif leave or first:
            absences.append(Absence(leave.at_ns if leave else since_ns, switch.at_ns, bool(leave and leave.preempted)))
            leave = None
        first = False
    if leave:
        absences.append(Absence(leave.at_ns, NEVER, leave.preempted))
    return absences


def _by_thread(switches: Iterable[Switch]) -> dict[int, list[Switch]]:
    threads: dict[int, list[Switch]] = {}
    for switch in switches:
        threads.setdefault(switch.thread, []).append(switch)
    return threads
