"""Properties of the I/O model itself: what the process sleeps in, and what it does when nobody asks."""

import select
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.faults import connect_slow_reader
from iolab.exercises.properties.wire import ask_line, draw_line
from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial

IDLE_SHARE, IDLE_WINDOW_S = 0.01, 0.5
LOOKS, PINGS = 40, 16

PHRASES = {"sleep": "a sleep", "timeout": "a socket's call with a timeout"}


@dataclass(frozen=True)
class Footprint:
    """What /proc shows of a model: the calls that it sleeps in, and its threads."""

    name: str
    waits_in: frozenset[str]
    must: frozenset[str] = frozenset()
    """One of these must be seen; none: the server never waits."""
    one_thread: bool = True
    watches: bool = False
    """Whether the connections are in an epoll interest, which /proc shows."""


@contextmanager
def connect_silent_clients(trial: Trial, count: int = 6) -> Iterator[list[Peer]]:
    """Yield clients that are connected, have been answered, and say nothing."""
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(trial)) for _ in range(count)]
        for peer in peers:
            ask_line(trial, peer)
        yield peers


def check_idle(trial: Trial) -> str:
    """Use less than 1 % of a CPU while nobody asks, and all have what they are owed."""
    with connect_silent_clients(trial), connect_slow_reader(trial) as (peer, due):
        peer.expect(due, "the slow reader")
        time.sleep(0.1)
        expect_rest(trial, "while nobody asks anything")
        ask_line(trial, peer)
    return "less than 1 % of a CPU while nobody asked"


def check_owing(trial: Trial) -> str:
    """Use less than 1 % of a CPU while a client does not read what it is owed, and asks for more."""
    with connect_silent_clients(trial), connect_slow_reader(trial) as (peer, due):
        peer.connection.send(draw_line(trial))
        time.sleep(0.1)
        expect_rest(trial, "while it waits for a client that does not read")
        peer.expect(due[:1000], "the slow reader, which began to read at last,")
    return "less than 1 % of a CPU while a client did not read"


def expect_rest(trial: Trial, when: str) -> None:
    """Raise Violated if the server uses 1 % of a CPU or more."""
    share = trial.measure_cpu_share(IDLE_WINDOW_S)
    if not trial.alive():
        raise Violated(f"the server did not stay alive: {trial.describe_end()}")
    if share >= IDLE_SHARE:
        raise Violated(f"the server uses {share:.0%} of a CPU {when}{_name_cause(trial)}")


def _name_cause(trial: Trial) -> str:
    writable = [events for events in watch.read_interest(trial.pid).values() if events & watch.EPOLLOUT]
    level = [events for events in writable if not events & watch.EPOLLET]
    if not level:
        return ""
    return f"; it watches {len(level)} connections for room to write: do so only while you owe them bytes"


def check_promptness(trial: Trial) -> str:
    """Never sleep while a request waits to be read."""
    sleeps: Counter[str] = Counter()
    # Two, since a server that is asleep is seen while all of its threads are: of many, one may always wait for a CPU.
    with connect_silent_clients(trial, 2) as peers:
        for _ in range(PINGS):
            sleeps.update(_ping(trial, trial.draw.choice(peers)))
    if sleeps.total() >= PINGS // 4:
        call, times = sleeps.most_common(1)[0]
        how = "slept" if call == "sleep" else f"slept in {call}"
        raise Violated(f"the server {how} while {times} of {PINGS} requests waited, and they did not wake it")
    return f"{PINGS} requests were read as soon as they arrived"


def _ping(trial: Trial, peer: Peer) -> set[str]:
    """Ask, and return what the server slept in while the request waited; nothing if the request woke it."""
    request, ready = draw_line(trial), select.poll()
    ready.register(peer.connection, select.POLLIN)
    peer.send(request)
    asleep, call, end = 0, "", time.monotonic() + 0.1  # looks at which all of its threads slept
    while time.monotonic() < end and asleep < 3:
        calls = watch.list_calls(trial.pid)
        # The look comes first: what had not answered when it was seen to sleep, slept on its work.
        if ready.poll(0):
            break
        asleep += None not in calls
        names = [each.name for each in calls if each]
        call = next((name for name in PHRASES if name in names), *names[:1] or [""])
        time.sleep(0.0001)
    peer.expect(trial.due(request), "a client")
    return {call} if asleep >= 3 else set()


def expect_model(footprint: Footprint) -> Callable[[Trial], str]:
    """Return the property of being a server of this model, as far as /proc shows it."""

    def check(trial: Trial) -> str:
        with connect_silent_clients(trial, 12) as peers:
            time.sleep(0.05)
            _expect_census(trial, footprint, len(peers))
            calls = _count_calls(trial)
            with connect_slow_reader(trial) as (peer, due):
                for bystander in peers[:3]:
                    ask_line(trial, bystander, "a client that asked while another one was not reading its reply")
                calls += _count_calls(trial)
                peer.expect(due[:1000], "the slow reader, which began to read at last,")
            ask_line(trial, peers[0])
        _expect_calls(footprint, calls)
        return f"it is what the exercise asks for: {footprint.name}"

    return check


def _count_calls(trial: Trial) -> Counter[str]:
    calls: Counter[str] = Counter()
    for _ in range(LOOKS):
        calls.update(set(trial.list_calls()))
        time.sleep(0.003)
    return calls


def _expect_census(trial: Trial, footprint: Footprint, clients: int) -> None:
    threads, processes = trial.count_threads(), len(watch.list_family(trial.pid))
    if footprint.one_thread and threads > 1:
        kind = "threads" if processes == 1 else "processes"
        raise Violated(
            f"with {clients} clients the server has {max(threads, processes)} {kind}; "
            f"this exercise asks for {footprint.name}"
        )
    if footprint.watches:
        watched = len(watch.read_interest(trial.pid))
        if watched <= clients:
            raise Violated(
                f"{clients} clients and the listening socket are open, but epoll watches {watched or 'none'} of them; "
                "register each one, and let epoll_wait say which are ready"
            )


def _expect_calls(footprint: Footprint, calls: Counter[str]) -> None:
    looks, asks = 2 * LOOKS, f"this exercise asks for {footprint.name}"
    # Once may be a wait for a lock in the kernel; a call that is there to wait is seen again and again.
    wrong = [name for name, times in calls.most_common() if times > 2 and name not in footprint.waits_in]
    if wrong:
        what, times = PHRASES.get(wrong[0], f"`{wrong[0]}`"), calls[wrong[0]]
        raise Violated(f"the server waited in {what} in {times} of {looks} looks; {asks}")
    if footprint.must and not any(calls[name] for name in footprint.must):
        names = " or ".join(sorted(footprint.must))
        raise Violated(f"in {looks} looks the server never waited in {names}; {asks}")
