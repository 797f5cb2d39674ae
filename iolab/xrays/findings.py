"""What is wrong with a server: each finding with its evidence, and where it is explained.

Each judge looks at the facts alone, and returns nothing where the evidence is thin: what is only slow under a tracer
must not become somebody's fault.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from iolab.xrays.facts import SENDS, WAITS, Facts, by_thread
from iolab.xrays.model import ONE, Verdict
from iolab.xrays.syscalls import Syscall

QUIET_S = 0.3
"""How long nothing must happen for a server to be called idle."""

SPINS_PER_S = 200.0
WAKES_PER_S, POLLS_MS = 5.0, 90.0
"""Who wakes seldom, or after longer, may have a timer that is meant: that of Redis is 100 ms, as uvicorn's."""

NEAR_LIMIT = 900
HELD_UP_S = 0.05
DELAYED_ACK_S = 0.035, 0.06
"""How long Linux holds an acknowledgement back: 40 ms at least (`tcp(7)`, TCP_QUICKACK)."""

SETTLES_S = 0.25
TALK = 5
"""Receives on one connection with none on another between them, where others wait: nobody is served beside it."""

READINESS = ("epoll", "poll", "select")
NAPS = ("nanosleep", "clock_nanosleep")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, a sentence, the evidence, and where it is explained."""

    kind: str
    means: str
    evidence: str
    see: str


@dataclass(frozen=True)
class Scene:
    """What a judge looks at: the facts, the model, and what was seen from outside."""

    facts: Facts
    verdict: Verdict
    queue: int = 0
    """The most connections that waited to be accepted."""
    overflows: int = 0
    """How often a queue of this machine was full."""
    room: int | None = None
    """How many the queue takes; None where the kernel does not say."""

    @property
    def quiet(self) -> tuple[float, float]:
        """The longest stretch in which nothing came, nothing went and nobody was accepted."""
        facts = self.facts
        useful = [received.call for received in facts.received] + [call for call, _ in facts.sent] + facts.accepts
        if not facts.counted:
            return 0.0, 0.0
        times = sorted([facts.counted[0].start_s, facts.counted[-1].end_s, *(call.end_s for call in useful)])
        return max(pairwise(times), key=lambda pair: pair[1] - pair[0], default=(0.0, 0.0))

    def idle_calls(self) -> tuple[float, list[Syscall]]:
        """Return how long the server was idle, and what it called meanwhile; nothing if it never was."""
        start_s, end_s = self.quiet
        if end_s - start_s < QUIET_S:
            return 0.0, []
        return end_s - start_s, [call for call in self.facts.counted if start_s < call.start_s and call.end_s < end_s]


def find(scene: Scene) -> list[Finding]:
    """Return what is wrong."""
    return [finding for judge in JUDGES if (finding := judge(scene))]


def spins(scene: Scene) -> Finding | None:
    """Look for a loop that never sleeps."""
    seconds, calls = scene.idle_calls()
    vain = [call for call in calls if call.in_vain or (WAITS.get(call.name) in READINESS and call.result == 0)]
    if not seconds or len(vain) / seconds < SPINS_PER_S:
        return None
    names = ", ".join(f"{name} {count:,}" for name, count in Counter(call.name for call in vain).most_common(3))
    return Finding(
        "spins while idle",
        "it asks without end whether there is something to do, and takes a CPU for it",
        f"{len(vain):,} calls in vain in {seconds:.2f} s in which nothing came: {names}",
        "lesson 02; EAGAIN in recv(2)",
    )


@dataclass(frozen=True)
class Timer:
    """How often a server wakes by a time-out while nothing comes, in which call, and after how long."""

    per_s: float = 0.0
    call: str = ""
    after_ms: float = 0.0

    def __str__(self) -> str:
        return f"{self.per_s:.1f} times a second while nothing came: {self.call} of {self.after_ms:.0f} ms"


def timer(scene: Scene) -> Timer:
    """Return the time-out that has a server wake most often."""
    seconds, calls = scene.idle_calls()
    slept: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        if call.result == 0 and call.seconds > 1e-3 and (WAITS.get(call.name) in READINESS or call.name in NAPS):
            slept[call.name].append(call.seconds)
    name, times = max(slept.items(), key=lambda row: len(row[1]), default=("", []))
    return Timer(len(times) / seconds, name, median(times) * 1e3) if len(times) > 1 else Timer()


def polls(scene: Scene) -> Finding | None:
    """Look for a time-out that has a waiting server look again and again whether there is something to do."""
    wakes = timer(scene)
    if wakes.per_s < WAKES_PER_S or wakes.after_ms > POLLS_MS or spins(scene):
        return None
    return Finding(
        "wakes by a time-out",
        "it looks again and again whether something has changed: an eventfd in the set would tell it",
        str(wakes),
        "lesson 03; eventfd(2)",
    )


def watches_room(scene: Scene) -> Finding | None:
    """Look for waits that return because there is room to write, and nothing is written then."""
    waits, idle = 0, 0
    for wait, turn in _turns(scene.facts):
        waits += 1
        idle += _tells_room(wait) and not any(call.name in SENDS for call in turn)
    if idle < 20 or idle * 5 < waits:
        return None
    return Finding(
        "watches for room to write",
        "there nearly always is room, so the wait returns at once; ask for it only while something is owed",
        f"{idle:,} of {waits:,} waits returned for room to write, and nothing was sent",
        "lesson 03; EPOLLOUT in epoll_ctl(2)",
    )


def _turns(facts: Facts) -> Iterator[tuple[Syscall, list[Syscall]]]:
    """Yield each wait that returned something, with what its thread called before the next."""
    open_turns: dict[int, tuple[Syscall, list[Syscall]]] = {}
    for call in facts.counted:
        if WAITS.get(call.name) in READINESS:
            if call.thread in open_turns:
                yield open_turns.pop(call.thread)
            if call.got:
                open_turns[call.thread] = call, []
        elif call.thread in open_turns:
            open_turns[call.thread][1].append(call)


def _tells_room(wait: Syscall) -> bool:
    if WAITS[wait.name] == "epoll":
        return bool(re.search(r"events=(?:EPOLL(?!IN)\w+\|)*EPOLLOUT(?:\|EPOLL(?!IN)\w+)*,", wait.arguments))
    if WAITS[wait.name] == "poll":
        return "events=POLLOUT" in wait.arguments or "|POLLOUT" in wait.arguments
    sets = wait.arguments.split("]")
    return len(sets) > 2 and sets[1].lstrip(", ").startswith("[") and len(sets[1]) > 3


def queue_is_full(scene: Scene) -> Finding | None:
    """Look for a queue of connections that overflowed while each wake-up accepted one."""
    turns = [sum(call.name in ("accept", "accept4") for call in turn) for _, turn in _turns(scene.facts)]
    accepting = [number for number in turns if number]
    is_full = scene.room is not None and scene.queue > scene.room
    if not scene.overflows or not is_full or (accepting and median(accepting) > 1):
        return None
    return Finding(
        "accepts one at a time under a full queue",
        "each wake-up takes one connection, while others are turned away; accept until EAGAIN, or listen for more",
        f"up to {scene.queue:,} connections waited in a queue for {scene.room:,}, which turned others away",
        "lesson 03; backlog in listen(2)",
    )


def near_select_limit(scene: Scene) -> Finding | None:
    """Look for a select whose descriptors come near 1,024."""
    sets = (call for call in scene.facts.counted if WAITS.get(call.name) == "select")
    highest = (
        max((int(call.arguments.partition(",")[0]) for call in sets if call.arguments[:1].isdigit()), default=0) - 1
    )
    if highest < NEAR_LIMIT:
        return None
    return Finding(
        "select near 1,024",
        "select takes descriptors below 1,024 only; the next connections break it",
        f"the highest descriptor in its set is {highest:,}",
        "lesson 03; BUGS in select(2)",
    )


def one_holds_up_all(scene: Scene) -> Finding | None:
    """Look for a thread that serves many, and sleeps for one of them."""
    facts = scene.facts
    if scene.verdict.kind == "blocking":
        return _one_at_a_time(scene)
    many = {thread for thread, connections in by_thread(facts).items() if len(connections) > 1}
    if scene.verdict.kind in ("aio", "io_uring", "cannot tell"):
        return None
    calls = [call for call, _ in facts.sent] + [received.call for received in facts.received]
    calls += [call for call in facts.counted if call.name in ("connect", *NAPS) and call.thread in many]
    slow = [call for call in calls if call.thread in many and call.seconds > HELD_UP_S and not _stopped(call, facts)]
    if not slow:
        return None
    longest = max(slow, key=lambda call: call.seconds)
    return Finding(
        "one connection holds up all",
        "the thread that serves all slept in a call for one of them",
        f"{longest.name} on descriptor {longest.descriptor} took {longest.seconds * 1e3:,.0f} ms",
        "lesson 02; O_NONBLOCK in fcntl(2)",
    )


def _stopped(call: Syscall, facts: Facts) -> bool:
    """Whether the descriptor does not block: then the machine was busy, and the call did not sleep."""
    place = facts.process(call.thread), call.descriptor
    return call.name not in NAPS and place in facts.nonblocking


def _one_at_a_time(scene: Scene) -> Finding | None:
    order = [received.connection for received in scene.facts.received]
    longest, length = max(Counter(order).items(), key=lambda row: row[1], default=("", 0))
    first = order.index(longest) if order else 0
    in_turn = TALK <= length < len(order) and set(order[first : first + length]) == {longest}
    if scene.queue < 2 or not (in_turn or scene.verdict.arrangement == ONE):
        return None
    return Finding(
        "one connection holds up all",
        "it serves one connection to its end, and the others wait to be accepted",
        f"up to {scene.queue:,} connections waited meanwhile",
        "lesson 01; accept(2)",
    )


def leaks(scene: Scene) -> Finding | None:
    """Look for connections that ended and were not closed."""
    facts = scene.facts
    last_s = facts.counted[-1].end_s if facts.counted else 0.0
    left = [at_s for at_s in facts.ended.values() if at_s < last_s - SETTLES_S]
    if len(left) < 3 or len(left) < facts.closed:
        return None
    return Finding(
        "descriptors only grow",
        "connections that their peers closed stay open here, until there are no descriptors left (EMFILE)",
        f"{len(left):,} connections were at their end and not closed; {facts.closed:,} were",
        "lesson 03; close(2)",
    )


def waits_for_nagle(scene: Scene) -> Finding | None:
    """Look for replies in several sends, after which the next request takes 40 ms: a held acknowledgement."""
    facts = scene.facts
    calls = [(received.call, received.connection, True) for received in facts.received]
    calls += [(call, connection, False) for call, connection in facts.sent]
    sends: dict[str, list[Syscall]] = defaultdict(list)
    gaps_s: list[float] = []
    for call, connection, is_receive in sorted(calls, key=lambda row: row[0].start_s):
        if not is_receive:
            sends[connection].append(call)
        elif len(parts := sends.pop(connection, [])) > 1 and connection not in facts.plain:
            gaps_s.append(call.end_s - parts[-1].end_s)
    gaps_s.sort()
    middle = gaps_s[len(gaps_s) // 4 : -(len(gaps_s) // 4) or None]
    least_s, most_s = DELAYED_ACK_S  # a timer of the kernel keeps within; a busy machine does not
    if len(gaps_s) < 3 or not least_s <= middle[0] <= middle[-1] <= most_s:
        return None
    return Finding(
        "waits for an acknowledgement",
        "a reply goes out in several small sends, and all but the first wait for the peer's delayed acknowledgement",
        f"after {len(gaps_s):,} such replies the next request came {median(gaps_s) * 1e3:.0f} ms later (median)",
        "TCP_NODELAY in tcp(7); or send once",
    )


JUDGES: Sequence[Callable[[Scene], Finding | None]] = (
    spins, polls, watches_room, queue_is_full, near_select_limit, one_holds_up_all, leaks, waits_for_nagle,
)  # fmt: skip
