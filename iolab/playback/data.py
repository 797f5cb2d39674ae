"""A stage as JSON, small: columns of differences, and runs of what stays the same."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

from iolab.models import MODELS
from iolab.playback.boxes import Token
from iolab.playback.lines import find
from iolab.playback.portions import Portion, hides_its_calls, sizes_bytes
from iolab.playback.stage import Stage

STATES = ("running", "asleep", "waking", "preempted", "lock", "away")


def encode(stage: Stage) -> dict[str, Any]:
    """Return what the player needs of a stage; times in nanoseconds since the load began."""
    zero_ns = stage.timeline.records.start_ns
    return {
        "model": stage.model,
        "conditions": stage.timeline.conditions,
        "start": stage.start_ns - zero_ns,
        "end": stage.end_ns - zero_ns,
        "connections": stage.connections,
        "sizes": sizes_bytes(stage.timeline),
        "waits": _waits_in(stage),
        "hidden": hides_its_calls(stage.timeline),
        "cut": stage.left_out,
        "source": [halve_indent(line) for line in stage.source.splitlines()],
        "reply": find(stage.source, "reply")[0],
        "calls": _calls(stage, zero_ns),
        "threads": [_stays(stage, thread, zero_ns) for thread in stage.threads],
        "requests": _portions(stage.requests, zero_ns),
        "replies": _portions(stage.replies, zero_ns),
        "backlog": _tokens(stage.backlog, zero_ns),
        "boxes": [
            {"name": box.name, "says": box.says, "queue": box.queue, "tokens": _tokens(box.tokens, zero_ns)}
            for box in stage.boxes
        ],
    }


def _waits_in(stage: Stage) -> str:
    return MODELS[stage.model].card.get("Waits in", "") if stage.model in MODELS else ""


def _calls(stage: Stage, zero_ns: int) -> dict[str, Any]:
    calls, patterns = stage.calls, list(dict.fromkeys(each.pattern for each in stage.sentences))
    names = list(dict.fromkeys(call.name for call in calls))
    places = {pattern: place for place, pattern in enumerate(patterns)}
    return {
        "names": names,
        "patterns": patterns,
        "name": runs(names.index(call.name) for call in calls),
        "pattern": runs(places[each.pattern] for each in stage.sentences),
        "time": runs(each.time_ns for each in stage.sentences),
        "start": steps(call.start_ns - zero_ns for call in calls),
        "took": [call.end_ns - call.start_ns for call in calls],
        "connection": runs(-1 if call.connection is None else call.connection for call in calls),
        "result": runs(call.result for call in calls),
        "thread": runs(stage.threads.index(call.thread) for call in calls),
        "line": runs(stage.lines),
    }


def _stays(stage: Stage, thread: int, zero_ns: int) -> dict[str, Any]:
    stays = stage.stays(thread)
    ends = [stays[-1].until_ns - zero_ns] if stays else []
    return {
        "state": runs(STATES.index(stay.state) for stay in stays),
        "since": steps([*(stay.since_ns - zero_ns for stay in stays), *ends]),
    }


def _portions(portions: Iterable[Portion], zero_ns: int) -> dict[str, Any]:
    ordered = sorted(portions, key=lambda portion: portion.sent_ns)
    return {
        "connection": runs(each.connection for each in ordered),
        "size": runs(each.size_bytes for each in ordered),
        "sent": steps(each.sent_ns - zero_ns for each in ordered),
        "flies": [each.arrived_ns - each.sent_ns for each in ordered],
        "lies": [each.taken_ns - each.arrived_ns for each in ordered],
    }


def _tokens(tokens: Sequence[Token], zero_ns: int) -> dict[str, Any]:
    ordered = sorted(tokens, key=lambda token: token.since_ns)
    return {
        "connection": runs(token.connection for token in ordered),
        "since": steps(token.since_ns - zero_ns for token in ordered),
        "stays": [token.until_ns - token.since_ns for token in ordered],
    }


def halve_indent(line: str) -> str:
    """Return a line of source with half of its indentation: the page is narrow."""
    text = line.lstrip(" ")
    return " " * ((len(line) - len(text)) // 2) + text


def steps(values: Iterable[int]) -> list[int]:
    """Return each value as its difference from the one before."""
    return [after - before for before, after in pairwise([0, *values])]


def runs(values: Iterable[Any]) -> list[Any]:
    """Return values that repeat as pairs, flat: a value, and how often it comes in a row."""
    return [part for value, own in groupby(values) for part in (value, len(list(own)))]
