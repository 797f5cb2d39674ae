"""Traces of servers, recorded once (`tools/traces.py`), of which a part is drawn, with other numbers each time.

What an answer must not know is left out or drawn: processes, threads, descriptors, ports, the pace, and where the part
begins and ends. Every part shows enough to be told by: three connections or more from their accept on, served by two
threads at least where a server has several, and where it polls, twice as many calls in vain as receives.
"""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from iolab.data import places
from iolab.exercises.calls import ACCEPTS, BIRTHS, OPENS, RECEIVES, Call

COURSE = "a server of the course"
FILE = "recorded/xray/traces.json.gz"
SEVERAL = ("threads", "pool", "processes", "prefork")
"""Words of servers in which several serve."""

CONNECTIONS, RING_CALLS = 3, 20
MORE_CALLS = 60
"""How many calls a part may have beyond those that tell."""


@dataclass(frozen=True)
class Recording:
    """A trace: the word that names its model, the server, how one sees that, and whether learners may have it."""

    word: str
    server: str
    because: str
    open: bool
    rows: list[list[Any]]

    @cached_property
    def calls(self) -> list[Call]:
        """All of its calls."""
        return list(map(Call.from_row, self.rows))


@cache
def load() -> tuple[Recording, ...]:
    """Return all recordings."""
    with gzip.open(places.folder("data") / FILE, "rt", encoding="utf-8") as file:
        return tuple(Recording(**each) for each in json.load(file))


def find(server: str) -> list[Recording]:
    """Return the recordings of a server that learners may not have."""
    return [each for each in load() if each.server == server and not each.open]


def draw_part(recording: Recording, draw: random.Random, *, late: bool = False) -> list[Call]:
    """Return a part of a recording under drawn numbers, from its start, or from the midst of it."""
    starts = list_starts(recording)[1:] if late else [0]
    parts = ((start, find_end(recording, start)) for start in draw.sample(starts, len(starts)))
    first, last = next((start, end) for start, end in parts if end)
    return _renumber(recording.calls[first : last + draw.randrange(MORE_CALLS)], draw)


def list_starts(recording: Recording) -> list[int]:
    """Return where a part may begin: at the first call, and at those by which a connection may come."""
    return [number for number, call in enumerate(recording.calls) if not number or _begins(call)]


def _begins(call: Call) -> bool:
    return call.name in ACCEPTS or call.name == "io_uring_enter"


def find_end(recording: Recording, start: int) -> int | None:
    """Return where a part that begins there has shown enough; None if it never does."""
    calls, word = recording.calls, recording.word
    accepted: set[int] = set()
    served: set[int] = set()
    servers: set[int] = set()
    count: Counter[str] = Counter()
    for number, call in enumerate(calls[start:], start + 1):
        count["vain"] += call.error == "EAGAIN"
        count["rings"] += call.name == "io_uring_enter"
        if call.name in ACCEPTS and call.peer:
            accepted.add(call.peer)
        elif call.name in RECEIVES and call.peer in accepted and (call.result or 0) > 0:
            count["received"] += 1
            served.add(call.peer)
            servers.add(call.process if word in ("processes", "prefork") else call.thread)
        if _is_enough(word, len(served), len(servers), count):
            return number
    return None


def _is_enough(word: str, connections: int, servers: int, count: Counter[str]) -> bool:
    if word == "io_uring":
        return count["rings"] >= RING_CALLS
    if word == "nonblocking" and count["vain"] <= 2 * count["received"]:
        return False
    return connections >= CONNECTIONS and servers > (word in SEVERAL)


def _renumber(calls: Sequence[Call], draw: random.Random) -> list[Call]:
    task, port = _renaming(draw, range(1000, 30000)), _renaming(draw, range(32768, 61000))
    descriptor = _renaming(draw, range(3, 400), keep=range(3))
    pace, start_s = draw.uniform(0.8, 1.25), calls[0].start_s

    def change(call: Call) -> Call:
        result = call.result
        if result and result > 0 and call.name in BIRTHS:
            result = task(result)
        elif result is not None and result >= 0 and (call.name in OPENS or "F_DUPFD" in " ".join(call.flags)):
            result = descriptor(result)
        return replace(
            call,
            process=task(call.process),
            thread=task(call.thread),
            descriptor=None if call.descriptor is None else descriptor(call.descriptor),
            peer=None if call.peer is None else port(call.peer),
            watched={descriptor(number): kind for number, kind in call.watched.items()},
            result=result,
            start_s=round((call.start_s - start_s) * pace, 6),
            took_s=round(call.took_s * pace, 6),
        )

    return list(map(change, calls))


def _renaming(draw: random.Random, names: range, keep: range = range(0)) -> Callable[[int], int]:
    """Return a function that gives each number another one, the same whenever it is asked."""
    free = iter(draw.sample(names, min(len(names), 2000)))
    given: dict[int, int] = {}

    def rename(number: int) -> int:
        if number in keep:
            return number
        if number not in given:
            given[number] = next(free)
        return given[number]

    return rename
