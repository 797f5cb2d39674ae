"""The exercises, and the properties that each is judged by."""

from iolab.errors import unknown
from iolab.exercises.exercise import GROWTH, Exercise, Property, model, served
from iolab.exercises.flaws import FLAWS, RIGHT
from iolab.exercises.properties import chats, exposure, faults, loops, nature, wire

SIGNALS = 16
"""Signals that may be queued at once, where an exercise is about what is lost."""

SERVES = (
    served("respond is called", 1, wire.responds),
    served("binary data", 1, wire.binary),
    served("megabytes", 1, wire.megabytes),
    served("many clients", 2, wire.clients),
    served("half-close", 1, wire.half_close, GROWTH),
    served("resets", 2, faults.resets, GROWTH),
    served("slow reader's bytes", 2, faults.slow_bytes, GROWTH),
    served("others meanwhile", 2, faults.others, GROWTH),
    served("bounded memory", 1, faults.memory, 16),
    served("descriptors", 1, faults.descriptors, GROWTH),
)
END = served("a clean end", 1, wire.ends)
PROMPT = served("no sleeps", 1, nature.prompt)
RESTS = (
    served("idle", 1, nature.idle, GROWTH),
    served("idle while it owes", 1, nature.owing, GROWTH),
    PROMPT,
)

THREADS = model(
    "blocking calls, one thread or process for each client",
    "recv read timeout",
    "accept send write futex wait",
    one_thread=False,
)
NEVER_WAITS = model("one thread that never waits", "")
SELECT = model("one thread that waits in `select`", "select")
EPOLL = model("one thread that waits in `epoll_wait`", "epoll_wait", watches=True)
SELECTOR = model("one thread that waits in a selector", "epoll_wait select poll timeout")
SIGNAL = model("one thread that waits for signals", "sigwaitinfo sigsuspend pause")
COMPLETIONS = model(
    "operations that the system completes, and a wait for these alone",
    "io_uring_enter futex",
    "accept read write",
    one_thread=False,
)

OVERFLOW = served("a full queue", 2, faults.overflow, RLIMIT_SIGPENDING=SIGNALS)
SLEEPERS = served("tasks that sleep", 2, loops.sleeps)
RAISERS = served("tasks that raise", 2, loops.exceptions)
CHATS = (
    served("lines are passed on", 1, chats.welcomes),
    served("whole lines", 2, chats.lines),
    served("500 clients", 3, chats.many, RLIMIT_NOFILE=1024, RLIMIT_AS=1 << 34),
    served("a frozen client", 3, chats.frozen),
    served("fairness", 2, chats.fairness),
    served("those who leave", 2, chats.leaving),
    served("idle", 1, chats.idle),
    served("a clean end", 1, chats.ends),
    Property("CPU per message", 2, chats.cheap),
)

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
            (*SERVES, *RESTS, END, SELECT),
        ),
        Exercise(
            "03-epoll",
            "Serve every client in one thread that waits in `epoll_wait` alone. "
            "Be told of room to write only while bytes are owed, and use no CPU while nobody asks.",
            (*SERVES, *RESTS, END, EPOLL),
        ),
        Exercise(
            "04-selectors",
            "Serve every client in one thread by callbacks of a selector. "
            "Survive clients that reset, and one that stops reading.",
            (*SERVES, *RESTS, END, SELECTOR),
        ),
        Exercise(
            "05-signals",
            "Serve every client in one thread that waits for signals alone. "
            "Drain each connection until EAGAIN, and miss nobody when the queue of signals was full.",
            (*SERVES, OVERFLOW, *RESTS, END, SIGNAL),
        ),
        Exercise(
            "06-completion",
            "Serve every client by operations that the system completes: with io_uring, or with `aio` where it is "
            "refused. Keep buffers alive until then, and pair each completion with its connection.",
            (*SERVES, *RESTS, END, COMPLETIONS),
        ),
        Exercise(
            "07-event-loop",
            "Write an event loop for generators: a class `Loop` with `spawn(task)` and `run()`, and with `sleep`, "
            "`accept`, `recv` and `send` for tasks to `yield from`. A task that raises ends alone.",
            (*SERVES, SLEEPERS, RAISERS, *RESTS, END, SELECTOR),
            entry="Loop",
            begin=loops.STUB,
            program=loops.PROGRAM,
        ),
        Exercise(
            "08-chat",
            "Write a chat server, on any model. The first line of a client is its name: answer `welcome NAME`. "
            "Each later line goes to all other clients, as `NAME: LINE`. "
            "One that does not read holds up nobody, and is not owed without bounds.",
            CHATS,
            entry="chat",
            parameters="listening",
            program=chats.PROGRAM,
        ),
    )
}
"""All exercises by name."""

EXPOSES = (
    "Say whether the server at an address is flawed: return True or False. "
    "It should answer every request in upper case, but it may be one that FLAWS, and you are not told which."
)


def break_it(name: str) -> Exercise:
    """Return the exercise of exposing three flaws."""
    flaws, right = FLAWS[name], RIGHT[name]
    one, two, three = (flaw.name for flaw in flaws)
    properties = [Property(f"one that {flaw.name}", 3, exposure.exposes(flaw, right)) for flaw in flaws]
    return Exercise(
        name,
        EXPOSES.replace("FLAWS", f"{one}, {two}, or {three}"),
        (Property("right servers are left alone", 1, exposure.tells_apart(flaws, right)), *properties),
        entry="exposes",
        parameters="address",
    )


EXERCISES |= {name: break_it(name) for name in FLAWS}
EXERCISES = dict(sorted(EXERCISES.items()))


def find(name: str) -> Exercise:
    """Return the exercise of this name; raise UsageError for an unknown one."""
    if name in EXERCISES:
        return EXERCISES[name]
    raise unknown("exercise", name, EXERCISES)
