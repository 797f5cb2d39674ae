"""A stage as JSON, small: columns of differences, runs of what stays the same, and numbers in base 36."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from iolab.models import MODELS
from iolab.playback.boxes import Token
from iolab.playback.lines import find
from iolab.playback.portions import Portion, hides_its_calls, sizes_bytes
from iolab.playback.stage import Stage

TICK_NS = 10
"""In how many nanoseconds times are written; they are read off to the microsecond."""

BASE = 36

Column = list[Any] | dict[str, Any] | str

STATES = ("running", "asleep", "waking", "preempted", "lock", "away")


def encode(stage: Stage) -> dict[str, Any]:
    """Return what the player needs of a stage; times in nanoseconds since the load began."""
    zero_ns = stage.timeline.records.start_ns
    return {
        "model": stage.model,
        "conditions": stage.timeline.conditions,
        "tick": TICK_NS,
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
    """Return the calls; what they have in common with many others is a kind, told once."""
    calls, sentences = stage.calls, stage.sentences
    kinds = [
        (call.name, each.pattern, line, stage.threads.index(call.thread))
        for call, each, line in zip(calls, sentences, stage.lines, strict=True)
    ]
    known = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
    return {
        "kinds": list(known),
        "kind": column(known[kind] for kind in kinds),
        "time": column(three_digits(each.time_ns) for each in sentences),
        "connection": column(-1 if call.connection is None else call.connection for call in calls),
        "result": column(call.result for call in calls),
        **_spans([(call.start_ns - zero_ns, call.end_ns - zero_ns) for call in calls]),
    }


def _stays(stage: Stage, thread: int, zero_ns: int) -> dict[str, Any]:
    stays = stage.stays(thread)
    ends = [stays[-1].until_ns - zero_ns] if stays else []
    return {
        "state": column(STATES.index(stay.state) for stay in stays),
        "since": steps([*(stay.since_ns - zero_ns for stay in stays), *ends]),
    }


def _portions(portions: Iterable[Portion], zero_ns: int) -> dict[str, Any]:
    ordered = sorted(portions, key=lambda portion: portion.sent_ns)
    return {
        "connection": column(each.connection for each in ordered),
        "size": column(each.size_bytes for each in ordered),
        **_spans([(each.sent_ns - zero_ns, each.arrived_ns - zero_ns, each.taken_ns - zero_ns) for each in ordered]),
    }


def _tokens(tokens: Sequence[Token], zero_ns: int) -> dict[str, Any]:
    ordered = sorted(tokens, key=lambda token: token.since_ns)
    return {
        "connection": column(token.connection for token in ordered),
        **_spans([(token.since_ns - zero_ns, token.until_ns - zero_ns) for token in ordered]),
    }


def _spans(rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return the first time of each row as steps, and how long it is from there to each of the others."""
    ticks = [[at_ns // TICK_NS for at_ns in row] for row in rows]
    lengths = zip(*([after - before for before, after in pairwise(row)] for row in ticks), strict=True)
    return {"start": steps(row[0] for row in rows), "lengths": [column(each) for each in lengths] or [[], []]}


def halve_indent(line: str) -> str:
    """Return a line of source with half of its indentation: the page is narrow."""
    text = line.lstrip(" ")
    return " " * ((len(line) - len(text)) // 2) + text


def steps(times_ns: Iterable[int]) -> Column:
    """Return each time as its difference from the one before, in ticks."""
    return pack([after - before for before, after in pairwise([0, *(at_ns // TICK_NS for at_ns in times_ns)])])


def column(values: Iterable[Any]) -> Column:
    """Return values packed, or as runs where that is shorter: each value, and how often it comes in a row."""
    plain = list(values)
    runs = [part for value, own in groupby(plain) for part in (value, len(list(own)))]
    return {"runs": runs} if len(runs) < len(plain) else pack(plain)


def pack(values: list[Any]) -> Column:
    """Return whole numbers as a text in base 36: a digit each where that is enough, and else with blanks between."""
    if not values or not all(isinstance(value, int) for value in values):
        return values
    least = min(values)
    if max(values) - least < BASE:
        return {"digits": "".join(np.base_repr(value - least, BASE) for value in values), "from": least}
    return " ".join(np.base_repr(value, BASE) for value in values)


def three_digits(number: int) -> int:
    """Return a number rounded to what is shown of it."""
    return int(float(f"{number:.3g}"))
