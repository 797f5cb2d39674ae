"""The exercises, and the properties that each is judged by."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from iolab.errors import unknown
from iolab.exercises.exercise import Exercise, Look, Property
from iolab.exercises.flaws import FLAWS, RIGHT
from iolab.exercises.properties import (
    chats,
    crews,
    exposure,
    faults,
    loops,
    naming,
    nature,
    partings,
    scenes,
    talks,
    wire,
)
from iolab.exercises.rest import Invariants
from iolab.exercises.stories import Story, tell_story
from iolab.exercises.trial import Trial

Drawing = Callable[[random.Random], Story]
Inspect = Callable[[Trial, int], str]

GROWTH = 100
"""Bytes of reply to a byte of a request, where much is to be owed."""

SIGNALS = 16
"""Signals that may be queued at once, where an exercise is about what is lost."""


def demand(name: str, points: int, check: Callable[[Trial], str], factor: int = 1, **limits: int) -> Property:
    """Return a property of a server; `factor` bytes of reply are due to a byte of a request."""

    def look(answer: str, entry: str, draw: random.Random) -> str:
        with Trial(answer, entry, draw, factor=factor, limits=limits) as trial:
            return check(trial)

    return Property(name, points, look)


def look_for_slow_reader(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a server that serves others while one client does not read."""
    with Trial(answer, entry, draw, factor=GROWTH) as trial:
        return faults.check_others(trial)


def look_for_others(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a server that serves others, whether one client does not read or always asks."""
    says = look_for_slow_reader(answer, entry, draw)
    with Trial(answer, entry, draw, pace_ms=faults.PACE_MS) as trial:
        faults.check_turns(trial)
    return says


def demand_model(
    name: str,
    waits_in: str,
    also: str = "",
    *,
    one_thread: bool = True,
    operations: bool = False,
    inspect: Inspect | None = None,
) -> Property:
    """Return the property of being a server of a model.

    It is seen in one of the calls that it waits in, and else in none but those that it may
    wait in also; without any, it never waits. Where it is asked for operations, requests of every size
    are answered by these.
    """
    must = frozenset(waits_in.split())
    calls = must | frozenset(also.split())
    footprint = nature.Footprint(name, calls, must, inspect)
    rest = Invariants(memory=False, waits_in=calls, one_thread=one_thread, operations=operations, model=name)
    says = f"it is what the exercise asks for: {name}"
    states = tell_story(scenes.draw_states, rest, says, factor=GROWTH, also=nature.expect_model(footprint))
    sizes = tell_story(scenes.draw_sizes, replace(rest, waits_in=frozenset()), says)

    def look(answer: str, entry: str, draw: random.Random) -> str:
        if operations:
            sizes(answer, entry, draw)
        return states(answer, entry, draw)

    return Property("the model", 3, look)


SIZES = "{also}, as were requests of every size, more than a thousand of them on one connection"
CROWD = "{clients} clients were answered, in whatever order they asked"
HALF_CLOSE = "{clients} clients got what they were owed, also after they had closed their sending half"
RESETS = "of {clients} clients, some reset their connections in every state, and the others did not notice"
SLOW = "{clients} clients, several of them slow at once, received all of their bytes, and no others"
LEFT = "{clients} clients came and left in every way, and every descriptor was closed"
SILENCE = "less than 1 % of a CPU while nobody asked"
ENDED = "the listening socket was shut down while {clients} clients were there in every state, and the server ended"
FROZE = "clients asked on and on and read nothing, and the memory stayed bounded"
DEBTS = "less than 1 % of a CPU while clients did not read, closed their sending half, or reset"
WIRE, IDLE = Invariants(), Invariants(idle=True)
LEAKS, LEAKS_AND_IDLE = Invariants(descriptors=True), Invariants(descriptors=True, idle_when_full=True)
FEW = {"RLIMIT_NOFILE": scenes.PLACES}
FROZEN = tell_story(scenes.draw_frozen, WIRE, FROZE)


def look_for_bounds(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a server that owes no more than it must, to one client whose replies are long, and to many."""
    with Trial(answer, entry, draw, factor=16) as trial:
        faults.check_memory(trial)
    return FROZEN(answer, entry, draw)


SLOW_READERS = tell_story(scenes.draw_slow_readers, WIRE, SLOW, factor=GROWTH)
PASSED_READERS = tell_story(scenes.draw_passed_readers, WIRE, SLOW)


def look_for_bytes(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a server whose slow readers get their bytes, whatever others are owed and have been sent meanwhile."""
    PASSED_READERS(answer, entry, draw)
    return SLOW_READERS(answer, entry, draw)


QUIET_END, BUSY_END, FULL_END = (
    tell_story(draw_story, WIRE, ENDED, factor=GROWTH)
    for draw_story in (scenes.draw_end, scenes.draw_busy_end, scenes.draw_full_end)
)


FAREWELLS = tell_story(scenes.draw_farewells, LEAKS, HALF_CLOSE)
HALF_CLOSES = tell_story(scenes.draw_half_closes, WIRE, HALF_CLOSE, factor=GROWTH)


def look_for_half_closes(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a server that sees the end of what a client asks, also together with more than a buffer."""
    FAREWELLS(answer, entry, draw)
    return HALF_CLOSES(answer, entry, draw)


def look_for_end(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a server that ends, whoever is there, whether anybody asks at that moment or not."""
    BUSY_END(answer, entry, draw)
    FULL_END(answer, entry, draw)
    return QUIET_END(answer, entry, draw)


def look_for_end_of_chat(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a chat that ends, whether it owes anything or not."""
    for check in (chats.check_end_of_chat, partings.check_end):
        with Trial(answer, entry, draw, limits=chats.LIMITS) as trial:
            says = check(trial)
    return says


def build_serves(
    draw_crowd: Callable[[random.Random], Story] = scenes.draw_crowd,
    others: Look = look_for_others,
    leaks: Invariants = LEAKS_AND_IDLE,
    **limits: int,
) -> tuple[Property, ...]:
    """Return what is asked of every server, before a crowd that it can be asked to serve."""
    return (
        demand("respond is called", 1, wire.check_reply),
        demand("binary data", 1, wire.check_binary),
        Property("megabytes", 1, tell_story(scenes.draw_sizes, WIRE, SIZES, also=wire.check_megabytes)),
        Property("many clients", 2, tell_story(draw_crowd, WIRE, CROWD, limits=limits)),
        Property("half-close", 1, look_for_half_closes),
        Property("resets", 2, tell_story(scenes.draw_resets, WIRE, RESETS, factor=GROWTH)),
        Property("slow reader's bytes", 2, look_for_bytes),
        Property("others meanwhile", 2, others),
        Property("bounded memory", 1, look_for_bounds),
        Property("descriptors", 1, tell_story(scenes.draw_leavers, leaks, LEFT, factor=GROWTH, limits=FEW)),
    )


SERVES = build_serves()
SERVES_BUSILY = build_serves(leaks=LEAKS)
SERVES_BY_TASKS = build_serves(partial(scenes.draw_crowd, most=scenes.CROWD), look_for_slow_reader)
"""A task that never has to wait may keep its turn: that is for who writes the task."""

END = Property("a clean end", 1, look_for_end)
PROMPT = demand("no sleeps", 1, nature.check_promptness)
RESTS = (
    Property("idle", 1, tell_story(scenes.draw_silence, IDLE, SILENCE, factor=GROWTH)),
    Property("idle while it owes", 1, tell_story(scenes.draw_debts, IDLE, DEBTS, factor=GROWTH)),
    PROMPT,
)

THREADS = demand_model(
    "blocking calls, one thread or process for each client",
    "recv read timeout",
    "accept send write futex wait",
    one_thread=False,
)
NEVER_WAITS = demand_model("one thread that never waits", "")
SELECT = demand_model("one thread that waits in `select`", "select")
EPOLL = demand_model("one thread that waits in `epoll_wait`", "epoll_wait", inspect=nature.inspect_epoll)
LOOP = demand_model("one thread that waits in a selector", "epoll_wait select poll timeout")
SELECTOR = demand_model(
    "one thread that waits in a selector", "epoll_wait select poll timeout", inspect=nature.inspect_selector
)
SIGNAL = demand_model("one thread that waits for signals", "sigwaitinfo sigsuspend pause")
COMPLETIONS = demand_model(
    "operations that the system completes, and a wait for these alone",
    "io_uring_enter futex",
    "accept read write",
    one_thread=False,
    operations=True,
    inspect=nature.inspect_completions,
)

OVERFLOW = demand("a full queue", 2, faults.check_overflow, RLIMIT_SIGPENDING=SIGNALS)
SLEEPERS = demand("tasks that sleep", 2, loops.check_sleepers)
NAPS = Property(
    "turns and sleeps", 1, loops.look_for_acts("company throng bursts accepts late naps ties far", loops.check_naps)
)
RAISERS = Property(
    "tasks that raise", 2, loops.look_for_acts("raisers oddities keeping resets closings", loops.check_raisers)
)
BITES = Property("recv's size", 1, loops.look_for_acts("leftovers duplex", loops.check_bites))
END_OF_LOOP = Property("a clean end", 1, loops.look_for_acts("exits", loops.check_end_of_loop))
RETURNS = Property("run returns", 1, loops.look_for_acts("empty pair beforehand crowd", loops.check_end_of_run))
CHATS = (
    demand("lines are passed on", 1, chats.check_welcome, **chats.LIMITS),
    demand("whole lines", 2, chats.check_lines, **chats.LIMITS),
    demand("everybody hears", 2, talks.check_talk, **chats.LIMITS),
    demand("500 clients", 3, chats.check_many_members, **chats.LIMITS),
    demand("a frozen client", 3, partings.check_frozen, **chats.LIMITS),
    demand("fairness", 2, chats.check_fairness, **chats.LIMITS),
    demand("those who leave", 2, partings.check_leavers, **chats.LIMITS),
    demand("idle", 1, partings.check_idle, **chats.LIMITS),
    Property("a clean end", 1, look_for_end_of_chat),
    Property("CPU per message", 2, chats.check_cost),
)

CREW = (
    crews.demand("respond is called", 1, lambda crew: wire.check_reply(crew.trial)),
    crews.demand("binary data", 1, lambda crew: wire.check_binary(crew.trial)),
    crews.demand("megabytes", 1, lambda crew: wire.check_megabytes(crew.trial)),
    crews.demand("the crew", 2, crews.check_crew),
    crews.combine(
        "every worker works",
        2,
        crews.staff(crews.check_spread, (2, 4), pace_ms=crews.PACE_MS),
        crews.staff(crews.check_busy_worker, (2, 3), pace_ms=crews.LONG_MS),
        crews.staff(crews.check_busy_burst, (2, 4), pace_ms=crews.PACE_MS),
    ),
    crews.demand("clients", 2, crews.check_clients, size=(2, 5)),
    crews.combine(
        "others meanwhile",
        1,
        crews.staff(crews.check_turns, (2, 4), pace_ms=faults.PACE_MS),
        crews.staff(crews.check_others, (2, 4), factor=GROWTH),
    ),
    crews.demand("one wakes", 2, crews.check_wakes, size=(6, 8)),
    crews.combine("killed workers", 2, crews.staff(crews.check_heirs, (3, 4)), crews.staff(crews.check_deaths, (2, 5))),
    crews.demand("all killed at once", 1, crews.check_massacre, size=(8, 8)),
    crews.demand("workers that die at birth", 1, crews.check_epidemic, size=(2, 2)),
    crews.demand("descriptors", 1, crews.check_descriptors, size=(2, 2)),
    crews.demand("idle", 1, crews.check_idle),
    crews.demand("a clean end", 2, crews.check_end, crews.check_end_after_death, crews.check_quiet_end, factor=GROWTH),
)

NAMES = (
    Property("a word for each trace", 1, naming.look_for_words),
    Property("what it waits in", 4, naming.look_for_waits),
    Property("level or edge", 2, naming.look_for_mode),
    Property("who serves", 4, naming.look_for_servers),
    Property("from the middle", 2, naming.look_from_middle),
    Property("servers of the world", 4, naming.look_for_world),
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
            (*SERVES_BUSILY, PROMPT, END, NEVER_WAITS),
            at_once=4,
        ),
        Exercise(
            "03-select",
            "Serve every client in one thread that waits in `select` alone. "
            "Be told of room to write only while bytes are owed, and use no CPU while nobody asks.",
            (*build_serves(scenes.draw_thousand, RLIMIT_NOFILE=2048), *RESTS, END, SELECT),
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
            rings=True,
            frees=True,
        ),
        Exercise(
            "07-event-loop",
            "Write an event loop for generators: a class `Loop` with `spawn(task)` and `run()`, and with `sleep`, "
            "`accept`, `recv` and `send` for tasks to `yield from`. A task that raises ends alone.",
            (*SERVES_BY_TASKS, SLEEPERS, NAPS, RAISERS, BITES, *RESTS, END_OF_LOOP, RETURNS, LOOP),
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
            rings=True,
            entry="chat",
            parameters="listening",
            program=chats.PROGRAM,
        ),
        Exercise(
            "09-prefork",
            "Serve with `workers` processes, forked beforehand, that accept from the one listening socket. "
            "Replace a worker that dies, wake few for each client, and leave no process behind.",
            CREW,
            parameters="listening, respond, workers",
            program=crews.PROGRAM,
            signals=True,
        ),
        Exercise(
            "10-xray",
            "You see nothing of a server but its system calls. Name its model: return one of twelve words.",
            NAMES,
            entry="name_model",
            parameters="calls",
        ),
    )
}
"""All exercises by name."""

EXPOSES = (
    "Say whether the server at an address is flawed: return True or False. "
    "It should answer every request in upper case, but it may be one that FLAWS, and you are not told which."
)


def build_break_it(name: str) -> Exercise:
    """Return the exercise of exposing three flaws."""
    flaws, right = FLAWS[name], RIGHT[name]
    one, two, three = (flaw.name for flaw in flaws)
    properties = [Property(f"one that {flaw.name}", 3, exposure.catch_flaw(flaw, right)) for flaw in flaws]
    return Exercise(
        name,
        EXPOSES.replace("FLAWS", f"{one}, {two}, or {three}"),
        (Property("right servers are left alone", 1, exposure.spare_right_servers(flaws, right)), *properties),
        entry="exposes",
        parameters="address",
    )


EXERCISES |= {name: build_break_it(name) for name in FLAWS}
EXERCISES = dict(sorted(EXERCISES.items()))


def find(name: str) -> Exercise:
    """Return the exercise of this name; raise UsageError for an unknown one."""
    if name in EXERCISES:
        return EXERCISES[name]
    raise unknown("exercise", name, EXERCISES)
