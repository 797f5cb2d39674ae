"""Try out what the learner has just typed: a sentence on it, hints one by one, and the solution last."""

import asyncio
import html
import inspect
import linecache
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from iolab import progress
from iolab.course.drills import (
    blocking,
    completion,
    coroutines,
    multiplexing,
    nonblocking,
    processes,
    selectors,
    signals,
    tracing,
)
from iolab.course.drills.drill import UNFILLED, Drill
from iolab.display.html import card, fold, prose
from iolab.errors import guard, unknown
from iolab.kernel.signals import descriptor_of
from iolab.xrays.facts import ACCEPTS, BIRTHS, RECEIVES

TONES = {None: "open", True: "right", False: "wrong"}
DRILLS: dict[str, Drill] = {
    **blocking.DRILLS,
    **nonblocking.DRILLS,
    **multiplexing.DRILLS,
    **selectors.DRILLS,
    **signals.DRILLS,
    **completion.DRILLS,
    **coroutines.DRILLS,
    **processes.DRILLS,
    **tracing.DRILLS,
}
"""All drills by name: the number of the lesson, and a word."""

NAMES: dict[str, Any] = {
    "__name__": "__main__",  # where lessons are: a timeline records the calls of what is defined there
    "asyncio": asyncio,
    "suppress": suppress,
    "select": select,
    "signal": signal,
    "socket": socket,
    "descriptor_of": descriptor_of,
    "time": time,
    "EVENT_READ": EVENT_READ,
    "EVENT_WRITE": EVENT_WRITE,
    "ACCEPTS": ACCEPTS,
    "BIRTHS": BIRTHS,
    "RECEIVES": RECEIVES,
}
"""What lessons import, for the solutions."""

HINTS = ("A hint", "One more hint", "The last hint")


@dataclass(frozen=True, repr=False)
class Turn:
    """A function that the learner typed, and what came of running it."""

    drill: Drill
    right: bool | None
    """None while there are blanks in it."""
    sentence: str
    function: Callable[..., Any]
    """The learner's if it is right, else the course's, so that the lesson can go on with it."""

    def __str__(self) -> str:
        return self.sentence if self.right is None else f"{'Right.' if self.right else 'Not yet.'} {self.sentence}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, _, rest = str(self).partition(". ") if self.right is not None else (UNFILLED, "", "")
        first = f"<b>{html.escape(head)}{'.' * bool(rest)}</b> {prose(rest)}"
        solution = f"<pre>{html.escape(self.drill.solution.rstrip())}</pre>"
        if self.right:
            return card("right", first, fold("How the course writes it", solution))
        tried = self.right is False
        return card(TONES[self.right], first, hints(self.drill, fold("The solution", solution) if tried else ""))


def hints(drill: Drill, last: str) -> str:
    """Return the hints folded, each in the one before it."""
    for name, hint in reversed(list(zip(HINTS, drill.hints, strict=True))):
        last = fold(name, f"<div>{prose(hint)}</div>{last}")
    return last


@guard
def try_out(key: str, function: Callable[..., Any]) -> Turn:
    """Run a function that you completed, on real sockets, for two seconds at most, and say what it does.

    With blanks (`...`) left in it nothing is run. What was right once stays so in the progress file.
    """
    if key not in DRILLS:
        raise unknown("drill", key, DRILLS)
    drill = DRILLS[key]
    outcome = drill.run(function)
    if outcome.right is not None and progress.section(progress.read(), "drills").get(key) is not True:
        progress.record_or_warn("drills", key, outcome.right)
    return Turn(drill, outcome.right, outcome.sentence, function if outcome.right else solved(key, drill))


def solved(key: str, drill: Drill) -> Callable[..., Any]:
    """Return the solution of a drill as a function whose text can be shown."""
    file = f"<the course's {key}>"
    linecache.cache[file] = (len(drill.solution), None, drill.solution.splitlines(keepends=True), file)
    names = dict(NAMES)
    exec(compile(drill.solution, file, "exec"), names)  # noqa: S102  a text of this package
    return next(value for name, value in names.items() if name not in NAMES and inspect.isfunction(value))
