"""What a thread does between its calls: at work in Python, waiting for the interpreter's lock, or preempted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from iolab.trace.absences import Absence, Absences
from iolab.trace.calls import Call
from iolab.trace.occupancy import Occupancy, Span, cut, microseconds


@dataclass(frozen=True, slots=True)
class Gap:
    """The time between two calls of a thread, with the spans in which it was away from every CPU."""

    thread: int
    start_ns: int
    end_ns: int
    away: tuple[Absence, ...]

    @property
    def spans(self) -> list[Span]:
        """The parts in their order: `running` is Python at work; asleep it waits for a `lock`, or in a call unseen."""
        return list(cut(self.start_ns, self.end_ns, self.start_ns, self.away))

    @property
    def occupancy(self) -> Occupancy:
        """How much of the gap is running, preempted and lock."""
        return Occupancy.of(self.spans)

    def as_dict(self, zero_ns: int) -> dict[str, Any]:
        """Return the gap as the JSON output has it."""
        times = {"start_us": (self.start_ns - zero_ns) / 1e3, "end_us": (self.end_ns - zero_ns) / 1e3}
        return {"thread": self.thread, **times, **microseconds(self.occupancy)}


def gaps(calls: Sequence[Call], absences: Absences) -> Iterator[Gap]:
    """Yield what lies between each call and the next of its thread, where all of it was watched.

    The calls are in the order of their begin.
    """
    threads: dict[int, list[Call]] = {}
    for call in calls:
        threads.setdefault(call.thread, []).append(call)
    for thread, own in threads.items():
        for before, after in pairwise(own):
            away = absences.within(thread, before.end_ns, max(before.end_ns, after.start_ns))
            if away is not None and before.end_ns < after.start_ns:
                yield Gap(thread, before.end_ns, after.start_ns, away)
