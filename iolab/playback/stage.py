"""The stage of a replay: everything that is drawn, computed from one timeline.

Theory of operation. Nothing here moves. Each thing has its times: a thread its spans, a call its begin and end,
a portion of bytes its three times, a token the time in its box. What is to be seen at a moment follows from these
alone, so a player can go to any moment, forth or back, at the same cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from iolab.errors import UsageError
from iolab.models import MODELS, body
from iolab.playback import lines, portions
from iolab.playback.boxes import Box, Evidence, Token, backlog, boxes
from iolab.playback.portions import Portion
from iolab.playback.sentences import Sentence, sentences
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline

State = Literal["running", "asleep", "waking", "preempted", "lock", "away"]

MOST_CALLS = 5000
"""How many calls are played; what came after them is left out."""

BEFORE_NS, AFTER_NS = 20_000, 60_000
"""What is shown before the first connection, and after the last call."""

ASLEEP = {
    "waiting": "asleep",
    "waiting for room": "asleep",
    "waking": "waking",
    "lock": "lock",
    "preempted": "preempted",
}


class Stay(NamedTuple):
    """What a thread does from one time to another."""

    state: State
    since_ns: int
    until_ns: int


@dataclass(frozen=True)
class Stage:
    """What is to be seen of a run, between two times on the clock of its records."""

    timeline: Timeline
    calls: tuple[Call, ...]
    start_ns: int
    end_ns: int
    left_out: int = 0
    """How many calls of the run come after the end, those of the stop aside."""

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.timeline.model

    @property
    def connections(self) -> int:
        """How many connections there are, idle ones among them."""
        work = self.timeline.records.workload
        return work.connections + work.idle

    @cached_property
    def source(self) -> str:
        """The text of the server, without its card; empty where it is not known."""
        if self.timeline.text:
            return self.timeline.text
        return "\n".join(body(MODELS[self.model])).strip() if self.model in MODELS else ""

    @cached_property
    def lines(self) -> list[int]:
        """The line of each call in the source, counted from 1; 0 where it has none."""
        return list(lines.lines_of(self.source, self.calls))

    @cached_property
    def sentences(self) -> list[Sentence]:
        """A sentence for each call."""
        return list(sentences(self.calls, list(portions.requests(self.timeline))))

    @cached_property
    def requests(self) -> list[Portion]:
        """What came from the clients."""
        return [each for each in portions.requests(self.timeline) if each.sent_ns < self.end_ns]

    @cached_property
    def replies(self) -> list[Portion]:
        """What went to the clients."""
        return [each for each in portions.replies(self.timeline) if each.sent_ns < self.end_ns]

    @cached_property
    def backlog(self) -> list[Token]:
        """How long each connection waited to be accepted."""
        return list(backlog(self.timeline))

    @cached_property
    def boxes(self) -> list[Box]:
        """What the model waits in."""
        evidence = Evidence(self.timeline, self.requests, self.backlog, self.start_ns, self.end_ns)
        everything = boxes(evidence, self.source)
        return [replace(box, tokens=tuple(self._within(box.tokens))) for box in everything]

    def _within(self, tokens: tuple[Token, ...]) -> Iterator[Token]:
        for token in sorted(tokens, key=lambda token: token.since_ns):
            if token.since_ns < self.end_ns and token.until_ns > self.start_ns:
                yield token

    @cached_property
    def threads(self) -> list[int]:
        """The threads in the order of their first calls."""
        return list(dict.fromkeys(call.thread for call in self.calls))

    def stays(self, thread: int) -> list[Stay]:
        """Return what a thread does from its first call to its last, without a gap."""
        joined: list[Stay] = []
        for stay in self._stays(thread):
            now_ns = joined[-1].until_ns if joined else stay.since_ns
            _append(joined, Stay("running", now_ns, stay.since_ns))  # no record tells of it: Python at work
            _append(joined, Stay(stay.state, max(now_ns, stay.since_ns), stay.until_ns))
        return joined

    def _stays(self, thread: int) -> Iterator[Stay]:
        spans = [span for call in self.calls if call.thread == thread for span in _of_call(call)]
        gaps = [gap for gap in self.timeline.gaps if gap.thread == thread and gap.start_ns < self.end_ns]
        spans += [Stay(part, start_ns, end_ns) for gap in gaps for part, start_ns, end_ns in gap.spans]
        yield from sorted(spans, key=lambda stay: stay.since_ns)


def _append(stays: list[Stay], stay: Stay) -> None:
    """Append a stay that is not empty; one that goes on with the same is joined to it."""
    if stays and stays[-1].state == stay.state and stay.until_ns > stay.since_ns:
        stays[-1] = Stay(stay.state, stays[-1].since_ns, stay.until_ns)
    elif stay.until_ns > stay.since_ns:
        stays.append(stay)


def _of_call(call: Call) -> Iterator[Stay]:
    if spans := call.spans:
        yield from (Stay(part, start_ns, end_ns) for part, start_ns, end_ns in spans)
    else:
        for phase, start_ns, end_ns in call.phases:
            yield Stay(ASLEEP.get(phase, "running"), start_ns, end_ns)  # type: ignore[arg-type]


def stage(timeline: Timeline, calls: int = MOST_CALLS) -> Stage:
    """Set the stage for a timeline, from its first connection on. Raise UsageError for one without calls."""
    if not timeline.calls:
        raise UsageError("this timeline has no calls to play; record one with requests")
    since_ns = [token.since_ns for token in backlog(timeline)] or [timeline.calls[0].start_ns]
    start_ns = max(min(since_ns) - BEFORE_NS, timeline.calls[0].start_ns)
    shown = [call for call in timeline.calls if call.end_ns > start_ns]
    last_ns = max([*timeline.records.answered_ns.tolist(), *_last_steps_ns(shown)], default=shown[-1].end_ns)
    end_ns = last_ns + AFTER_NS if len(shown) <= calls else shown[calls].start_ns
    played = tuple(call for call in shown[:calls] if call.start_ns < end_ns)
    return Stage(timeline, played, start_ns, end_ns, max(0, len(shown) - calls))


def _last_steps_ns(calls: list[Call]) -> list[int]:
    """Return when the last connection was closed, or else served: what follows is the stop."""
    return [call.end_ns for call in calls if call.connection is not None][-1:]
