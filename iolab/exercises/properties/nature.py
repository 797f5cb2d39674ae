"""Properties of the I/O model itself: what the process sleeps in, and what it does when nobody asks."""

import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.faults import slow_reader
from iolab.exercises.properties.wire import converse, line
from iolab.exercises.sandbox import watch as outside
from iolab.exercises.trial import Trial

IDLE_SHARE, WINDOW_S = 0.01, 0.5
LOOKS, PINGS = 40, 16

SPELLED = {"sleep": "a sleep", "timeout": "a socket's call with a timeout"}


@dataclass(frozen=True)
class Model:
    """What may be seen of a model from outside: the calls that it sleeps in, and its threads."""

    name: str
    waits_in: frozenset[str]
    must: frozenset[str] = frozenset()
    """One of these must be seen; none: the server never waits."""
    one_thread: bool = True
    watches: bool = False
    """Whether the connections are in an epoll interest, which can be read from outside."""


@contextmanager
def silent_clients(trial: Trial, count: int = 6) -> Iterator[list[Peer]]:
    """Yield clients that are connected, have been answered, and say nothing."""
    with ExitStack() as stack:
        peers = [stack.enter_context(trial.peer()) for _ in range(count)]
        for peer in peers:
            converse(trial, peer)
        yield peers


def idle(trial: Trial) -> str:
    """Use less than 1 % of a CPU while nobody asks, and all have what they are owed."""
    with silent_clients(trial), slow_reader(trial) as (peer, due):
        peer.expect(due, "the slow reader")
        time.sleep(0.1)
        rests(trial, "while nobody asks anything")
        converse(trial, peer)
    return "less than 1 % of a CPU while nobody asked"


def owing(trial: Trial) -> str:
    """Use less than 1 % of a CPU while a client does not read what it is owed, and asks for more."""
    with silent_clients(trial), slow_reader(trial) as (peer, due):
        peer.connection.send(line(trial))
        time.sleep(0.1)
        rests(trial, "while it waits for a client that does not read")
        peer.expect(due[:1000], "the slow reader, in the end")
    return "less than 1 % of a CPU while a client did not read"


def rests(trial: Trial, when: str) -> None:
    """Raise Violated if the server uses 1 % of a CPU or more."""
    share = trial.cpu_share(WINDOW_S)
    if not trial.alive():
        raise Violated(f"the server did not stay: {trial.how_it_ended()}")
    if share >= IDLE_SHARE:
        raise Violated(f"it uses {share:.0%} of a CPU {when}{_cause(trial)}")


def _cause(trial: Trial) -> str:
    writable = [events for events in outside.interest(trial.pid).values() if events & outside.EPOLLOUT]
    level = [events for events in writable if not events & outside.EPOLLET]
    return f"; it watches {len(level)} connections for room to write: do so while bytes are owed" if level else ""


def prompt(trial: Trial) -> str:
    """Never sleep while a request lies there."""
    slept: Counter[str] = Counter()
    # Two, since a server that is asleep is seen while all of its threads are: of many, one may always wait for a CPU.
    with silent_clients(trial, 2) as peers:
        for _ in range(PINGS):
            slept.update(_ping(trial, trial.draw.choice(peers)))
    if slept.total() >= PINGS // 4:
        call, times = slept.most_common(1)[0]
        how = "sleeps" if call == "sleep" else f"sleeps in {call}"
        raise Violated(f"{times} of {PINGS} requests lay there unread while the server {how}; it was not woken by them")
    return f"{PINGS} requests were taken as they came, none after a sleep"


def _ping(trial: Trial, peer: Peer) -> set[str]:
    """Ask, and return what the server slept in while the request lay there; nothing for one that was woken."""
    request, ready = line(trial), select.poll()
    ready.register(peer.connection, select.POLLIN)
    peer.send(request)
    asleep, call, end = 0, "", time.monotonic() + 0.1  # looks at which all of its threads slept
    while time.monotonic() < end and asleep < 3:
        calls = outside.calls(trial.pid)
        # The look comes first: what had not answered when it was seen to sleep, slept on its work.
        if ready.poll(0):
            break
        asleep += None not in calls
        names = [each.name for each in calls if each]
        call = next((name for name in SPELLED if name in names), *names[:1] or [""])
        time.sleep(0.0001)
    peer.expect(trial.due(request), "a client")
    return {call} if asleep >= 3 else set()


def keeps_to(model: Model) -> Callable[[Trial], str]:
    """Return the property of being a server of this model, as far as it shows from outside."""

    def check(trial: Trial) -> str:
        with silent_clients(trial, 12) as peers:
            time.sleep(0.05)
            _census(trial, model, len(peers))
            seen = _looks(trial)
            with slow_reader(trial) as (peer, due):
                for bystander in peers[:3]:
                    converse(trial, bystander, "a client, while another one does not read its reply")
                seen += _looks(trial)
                peer.expect(due[:1000], "the slow reader, in the end")
            converse(trial, peers[0])
        _judge(model, seen)
        return f"it is what it should be: {model.name}"

    return check


def _looks(trial: Trial) -> Counter[str]:
    seen: Counter[str] = Counter()
    for _ in range(LOOKS):
        seen.update(set(trial.calls()))
        time.sleep(0.003)
    return seen


def _census(trial: Trial, model: Model, clients: int) -> None:
    threads, processes = trial.threads(), len(outside.family(trial.pid))
    if model.one_thread and threads > 1:
        kind = "threads" if processes == 1 else "processes"
        raise Violated(
            f"with {clients} clients it has {max(threads, processes)} {kind}; this exercise asks for {model.name}"
        )
    if model.watches:
        watched = len(outside.interest(trial.pid))
        if watched <= clients:
            raise Violated(
                f"{clients} clients and the listening socket are open, and epoll watches {watched} of them; "
                "register each of them, and let epoll_wait say which are ready"
            )


def _judge(model: Model, seen: Counter[str]) -> None:
    # A single sighting may be a wait for a lock of the kernel's own; a call that is made to wait shows again and again.
    wrong = [name for name, times in seen.most_common() if times > 2 and name not in model.waits_in]
    if wrong:
        times, looks = seen[wrong[0]], 2 * LOOKS
        what = SPELLED.get(wrong[0], f"`{wrong[0]}`")
        raise Violated(f"it waited in {what} in {times} of {looks} looks; this exercise asks for {model.name}")
    if model.must and not any(seen[name] for name in model.must):
        names = " or ".join(sorted(model.must))
        raise Violated(f"in {2 * LOOKS} looks it never waited in {names}; this exercise asks for {model.name}")
