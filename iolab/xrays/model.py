"""Which model a server runs: how it learns that it can receive, and who serves a connection."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from iolab.xrays.facts import WAITS, Facts, by_thread

LEAST_RECEIVES = 3
"""Fewer tell nothing."""

ONE = "one thread"
THREAD_EACH, PROCESS_EACH = "a thread for each connection", "a process for each connection"
THREADS, PROCESSES, OWN = "a pool of threads", "a pool of processes", "processes with a listening socket each"
HANDED_THREADS, HANDED_PROCESSES = "one thread accepts for others", "one process accepts for others"

LIKE = {
    ("blocking", "", ONE): "blocking",
    ("blocking", "", THREAD_EACH): "threads",
    ("blocking", "", THREADS): "pool",
    ("blocking", "", PROCESS_EACH): "processes",
    ("nonblocking", "", ONE): "nonblocking",
    ("select", "", ONE): "select",
    ("poll", "", ONE): "poll",
    ("epoll", "level-triggered", ONE): "epoll",
    ("epoll", "edge-triggered", ONE): "epoll-edge",
    ("epoll", "one-shot", ONE): "trio",
    ("epoll", "level-triggered", PROCESSES): "prefork",
    ("epoll", "level-triggered", OWN): "reuseport",
    ("epoll", "level-triggered", HANDED_PROCESSES): "handoff",
    ("signals", "", ONE): "signals",
    ("aio", "", THREADS): "aio",
    ("io_uring", "", ONE): "io_uring",
}
"""The course's model of each kind, mode and arrangement."""


@dataclass(frozen=True)
class Verdict:
    """How a server learns that it can receive (`kind`, `mode`), who serves (`arrangement`), and the shares of kinds."""

    kind: str = "cannot tell"
    mode: str = ""
    arrangement: str = ""
    exclusive: bool = False
    shares: Mapping[str, float] = field(default_factory=dict)
    threads: int = 0
    processes: int = 0

    def __str__(self) -> str:
        if self.kind == "cannot tell":
            return self.kind
        name = {"nonblocking": "non-blocking polling", "blocking": "blocking", "signals": "signals"}.get(self.kind)
        exclusive = "exclusive" if self.exclusive else ""
        return ", ".join(part for part in (name or self.kind, self.mode, exclusive, self.arrangement) if part)

    @property
    def like(self) -> str | None:
        """The model of the course that is built the same, if one is."""
        name = LIKE.get((self.kind, self.mode, self.arrangement))
        return "prefork-exclusive" if name == "prefork" and self.exclusive else name


def tell(facts: Facts, *, requests: int = 0, own_sockets: int = 1) -> Verdict:
    """Return the model; *cannot tell* where too little was received.

    `requests` are those that a load had answered, for servers whose receives are no system calls; `own_sockets` how
    many sockets listen on one port.
    """
    if verdict := _completions(facts, requests):
        return verdict
    if len(facts.received) < LEAST_RECEIVES:
        return Verdict()
    kinds = Counter((received.kind, received.mode) for received in facts.received)
    (kind, mode), _ = kinds.most_common(1)[0]
    shares: Counter[str] = Counter()
    for (name, _), count in kinds.items():
        shares[name] += count
    threads = by_thread(facts)
    processes = {facts.process(thread) for thread in threads}
    arrangement = THREADS if kind == "aio" else arrange(facts, kind, own_sockets)
    whole = len(facts.received)
    return Verdict(
        kind, mode, arrangement, facts.exclusive, {name: count / whole for name, count in shares.most_common()},
        len(threads), len(processes),
    )  # fmt: skip


def _completions(facts: Facts, requests: int) -> Verdict | None:
    """Return io_uring or the kernel's aio, where they bring what no receive does."""
    for name in ("io_uring", "aio"):
        waits = [call for call in facts.counted if WAITS.get(call.name) == name]
        if len(waits) >= LEAST_RECEIVES and len(facts.received) * 10 < max(requests, len(waits)):
            threads = {call.thread for call in waits}
            processes = {facts.process(thread) for thread in threads}
            arrangement = ONE if len(threads) == 1 else THREADS
            return Verdict(name, "", arrangement, False, {name: 1.0}, len(threads), len(processes))
    return None


def arrange(facts: Facts, kind: str, own_sockets: int) -> str:
    """Say who serves a connection: one thread, one of several, or one that was made for it."""
    threads = by_thread(facts)
    if each := _made_for_each(facts, threads):
        return each
    accepters = {call.thread for call in facts.accepts}
    processes = {facts.process(thread) for thread in threads}
    accepting = {facts.process(thread) for thread in accepters}
    alone = all(len(connections) == 1 for connections in threads.values())
    if not accepters and kind == "blocking" and len(threads) > 1 and alone:
        return THREAD_EACH if len(processes) == 1 else PROCESS_EACH
    if accepting and not accepting & processes:
        return HANDED_PROCESSES
    if len(processes) > 1:
        return OWN if own_sockets > 1 else PROCESSES
    if len(threads) > 1 or (own_sockets > 1 and len(accepting) > 1):
        return THREADS if accepters & set(threads) or not accepters else HANDED_THREADS
    if len(accepting) > 1:  # the others found nobody in the time
        return OWN if own_sockets > 1 else PROCESSES
    return ONE if not accepters or accepters & set(threads) else HANDED_THREADS


def _made_for_each(facts: Facts, threads: Mapping[int, set[str]]) -> str | None:
    """Whether most connections were served by a thread or process that began after they were accepted."""
    made = {False: 0, True: 0}
    reused = 0
    for thread, connections in threads.items():
        for connection in connections:
            accept = facts.accepted.get(connection)
            birth = facts.born.get(facts.process(thread)) or facts.born.get(thread)
            if accept and birth and birth[0] >= accept.start_s and accept.thread != thread:
                made[birth[1]] += 1
        reused += len(connections) > 1
    whole = sum(map(len, threads.values()))
    if sum(made.values()) * 2 < whole or reused * 5 > len(threads):
        return None
    return PROCESS_EACH if made[True] > made[False] else THREAD_EACH
