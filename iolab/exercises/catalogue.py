"""The exercises: what each asks, and the properties that it is judged by."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from iolab.errors import UsageError
from iolab.exercises.properties import faults, nature, wire
from iolab.exercises.properties.nature import Model
from iolab.exercises.trial import Trial

Look = Callable[[Trial], str]


@dataclass(frozen=True)
class Property:
    """One property: its name in the report, what it is worth, and how it is looked for."""

    name: str
    points: int
    look: Look
    factor: int = 1
    """How many bytes of reply are due to a byte of a request."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: what the learner writes, and what is asked of it; the first property is asked for by all others."""

    name: str
    asks: str
    properties: tuple[Property, ...]
    entry: str = "serve"
    parameters: str = "listening, respond"
    at_once: int = 6
    """Trials at the same time; a server that spins leaves no room for others."""

    @property
    def stub(self) -> str:
        """What the learner begins with."""
        return f'def {self.entry}({self.parameters}):\n    """{self.asks}"""\n    raise NotImplementedError\n'


GROWTH = 100

RESPONDS = Property("respond is called", 1, wire.responds)
SERVES = (
    RESPONDS,
    Property("binary data", 1, wire.binary),
    Property("megabytes", 1, wire.megabytes),
    Property("many clients", 2, wire.clients),
    Property("half-close", 1, wire.half_close, GROWTH),
    Property("resets", 2, faults.resets, GROWTH),
    Property("slow reader's bytes", 2, faults.slow_bytes, GROWTH),
    Property("others meanwhile", 2, faults.others, GROWTH),
    Property("bounded memory", 1, faults.memory, 16),
    Property("descriptors", 1, faults.descriptors, GROWTH),
)
END = Property("a clean end", 1, wire.ends)
PROMPT = Property("no sleeps", 1, nature.prompt)
RESTS = (
    Property("idle", 1, nature.idle, GROWTH),
    Property("idle while it owes", 1, nature.owing, GROWTH),
    PROMPT,
)


def model(name: str, waits_in: str, **more: bool) -> Property:
    """Return the property of being a server of a model, by the calls that it waits in."""
    calls = frozenset(waits_in.split())
    return Property("the model", 3, nature.keeps_to(Model(name, calls, calls, **more)), GROWTH)


BLOCKING = frozenset({"accept", "recv", "read", "send", "write", "timeout", "futex", "wait"})
THREADS = Property(
    "the model",
    3,
    nature.keeps_to(
        Model(
            "blocking calls, one thread or process for each client",
            BLOCKING,
            frozenset({"recv", "read", "timeout"}),
            one_thread=False,
        )
    ),
    GROWTH,
)
NEVER_WAITS = Property("the model", 3, nature.keeps_to(Model("one thread that never waits", frozenset())), GROWTH)

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            "01-threads",
            "Serve every client with blocking calls only, so that one who is slow keeps no other waiting.",
            (*SERVES, *RESTS, END, THREADS),
        ),
        Exercise(
            "02-nonblocking",
            "Serve every client in one thread, without a single call that waits, "
            "and lose no byte where a send takes only a part.",
            (*SERVES, PROMPT, END, NEVER_WAITS),
            at_once=3,
        ),
        Exercise(
            "03-select",
            "Serve every client in one thread that waits in `select` alone. "
            "Be told of room to write only while bytes are owed, and use no CPU while nobody asks.",
            (*SERVES, *RESTS, END, model("one thread that waits in `select`", "select")),
        ),
        Exercise(
            "03-epoll",
            "Serve every client in one thread that waits in `epoll_wait` alone. "
            "Be told of room to write only while bytes are owed, and use no CPU while nobody asks.",
            (*SERVES, *RESTS, END, model("one thread that waits in `epoll_wait`", "epoll_wait", watches=True)),
        ),
        Exercise(
            "04-selectors",
            "Serve every client in one thread by callbacks of a selector. "
            "Survive clients that reset, and one that stops reading.",
            (*SERVES, *RESTS, END, model("one thread that waits in a selector", "epoll_wait select poll timeout")),
        ),
    )
}
"""All exercises by name."""


def find(name: str) -> Exercise:
    """Return the exercise of this name; raise UsageError for an unknown one."""
    try:
        return EXERCISES[name]
    except KeyError:
        close = difflib.get_close_matches(name, EXERCISES, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"there is no exercise {name!r}; {hint}the exercises are {', '.join(EXERCISES)}") from None
