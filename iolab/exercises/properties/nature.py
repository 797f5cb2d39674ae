"""Properties of the I/O model itself: what the process sleeps in, and what it does when nobody asks."""

import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.faults import connect_slow_reader
from iolab.exercises.properties.wire import ask_line, draw_line
from iolab.exercises.rest import PHRASES, count_sockets, name_calls, read_pending, read_threads
from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial

LOOKS, PINGS = 40, 16
FEW, CROWD = 12, (60, 130)
"""How many silent clients are there when the model is looked at, and then once more."""
POLL_ADD = 6
"""IORING_OP_POLL_ADD (linux/io_uring.h)."""

COMERS, SLEEPS, ENDS = 12, 3, 4
STREAMS = ((28_000, 800_000), (9_000, 300_000), (50, 12_000))
"""How much one client asks for at any time, all of it received by the kernel; and in all."""

STREAM_S, VAIN_LOOKS, LONG_S = 0.3, 2, 1.0
WHILE_ONE_ENDS = "a client that asked while another one had closed its sending half and not read its last bytes"


@dataclass(frozen=True)
class Footprint:
    """What /proc shows of a model: the calls that it sleeps in, and what it has asked the kernel for."""

    name: str
    waits_in: frozenset[str]
    must: frozenset[str] = frozenset()
    """One of these must be seen; none: the server never waits."""
    inspect: Callable[[Trial, int], str] | None = None
    """What is wrong with what it asked the kernel for, with so many clients connected; nothing if nothing is."""


@contextmanager
def connect_silent_clients(trial: Trial, count: int = 6) -> Iterator[list[Peer]]:
    """Yield clients that are connected, have been answered, and say nothing."""
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(trial)) for _ in range(count)]
        for peer in peers:
            ask_line(trial, peer)
        yield peers


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
    _expect_no_sleep(trial, "clients waited to be accepted", partial(_bring_clients, trial))
    _expect_no_sleep(trial, "it had room to send what it owed", partial(_read_slowly, trial))
    _expect_no_wait_for_those_who_end(trial)
    _expect_no_wait_while_one_asks(trial)
    return f"{PINGS} requests were read as soon as they arrived"


def _expect_no_sleep(trial: Trial, when: str, act: Callable[[], Iterator[None]]) -> None:
    """Raise Violated if the server is seen in a sleep again and again while it has much to do."""
    motion, sleeps = trial.read_motion(), 0
    for _ in act():
        before, motion = motion, trial.read_motion()
        alone = trial.count_threads() == 1  # where there are several, one may wait for the interpreter's lock
        sleeps += _sleeps(trial) or (motion is not None and (alone or motion == before) and _waits_with_limit(trial))
    if sleeps >= SLEEPS:
        raise Violated(f"the server slept while {when}: it was seen in a sleep {sleeps} times")


def _sleeps(trial: Trial) -> bool:
    return "sleep" in trial.list_calls()


def _waits_with_limit(trial: Trial) -> bool:
    """Say whether a thread waits for others and for so long at most: `Event.wait(0.1)` is a sleep.

    A limit of seconds is none: whoever waits for operations of aio with one (aio_suspend(3)) waits for these.
    """
    own = [
        task for task in watch.list_threads(trial.pid) if not watch.blocks_signals(trial.pid, task)
    ]  # not those of aio
    calls = [watch.read_call(trial.pid, task) for task in own]
    limited = [call for call in calls if call and call.name == "futex" and watch.has_limit(call)]
    return any(watch.read_limit_s(trial.pid, call) < LONG_S for call in limited)


def _expect_no_wait_for_those_who_end(trial: Trial) -> None:
    """Raise Violated if it waits for clients that have closed their sending half, and not read the last bytes yet.

    These are in the kernel, which needs nobody to deliver them.
    """
    sleeps: Counter[str] = Counter()
    request = trial.draw.randbytes(20_000 // trial.factor)
    with ExitStack() as stack:
        bystander, *others = [stack.enter_context(Peer(trial, narrow=bool(place))) for place in range(1 + ENDS)]
        for peer in others:
            peer.send(request)
            ask_line(trial, bystander)
            peer.half_close()
            sleeps.update(_ping(trial, bystander, WHILE_ONE_ENDS))
        for peer in others:
            peer.expect(trial.due(request), "a client that read late, after it had closed its sending half,")
    if sleeps.total() > ENDS // 2:
        call = sleeps.most_common(1)[0][0]
        raise Violated(f"{WHILE_ONE_ENDS} had to wait: the server was seen in {PHRASES.get(call, f'`{call}`')}")


def _expect_no_wait_while_one_asks(trial: Trial) -> None:
    """Raise Violated if it waits, be it in its own call, while one client, and nobody else, asks without end."""
    sleeps: Counter[str] = Counter()
    for most, total in STREAMS:
        with Peer(trial) as peer:
            for call in _stream(trial, peer, most, total):
                sleeps[call] += 1
                if sleeps.total() >= SLEEPS:
                    raise Violated(
                        f"the server slept in {call} again and again while one client, alone, had asked for more: "
                        f"up to {most:,} bytes waited to be received"
                    )


def _stream(trial: Trial, peer: Peer, most: int, total: int) -> Iterator[str]:
    """Ask on and read all replies; yield the call that the server sleeps in whenever it does so on what has arrived."""
    connection, asked, received, vain, motion = peer.connection, 0, 0, 0, trial.read_motion()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end_s = time.monotonic() + STREAM_S
    connection.setblocking(False)
    while received < total and time.monotonic() < end_s:
        with suppress(OSError):
            asked += connection.send(bytes(most - (asked - received)))
        try:
            received += len(connection.recv(1 << 16))
            vain = 0
        except OSError:
            before, motion = motion, trial.read_motion()
            vain = vain + 1 if motion and motion == before else 0
        if vain == VAIN_LOOKS:
            unread, owed = watch.count_queues(trial.address, connection.getsockname()[:2])
            if unread and not owed and trial.read_motion() == motion:
                yield " and ".join(sorted(set(trial.list_calls())))


def _bring_clients(trial: Trial) -> Iterator[None]:
    """Connect clients that ask, all at once, and yield until all have their replies."""
    with ExitStack() as stack:
        with trial.pause():
            peers = [stack.enter_context(Peer(trial)) for _ in range(COMERS)]
            request = draw_line(trial)
            for peer in peers:
                peer.send(request)
        yield from _await_replies(peers)
        for peer in peers:
            peer.expect(trial.due(request), f"one of {COMERS} clients that connected at once")


def _await_replies(peers: list[Peer]) -> Iterator[None]:
    for peer in peers:
        ready, end_s = select.poll(), time.monotonic() + 1
        ready.register(peer.connection, select.POLLIN)
        while time.monotonic() < end_s and not ready.poll(1):
            yield


def _read_slowly(trial: Trial) -> Iterator[None]:
    """Read a long reply in small bites, and yield between them."""
    request = trial.draw.randbytes(300_000)
    with Peer(trial, narrow=True) as peer, peer.send_meanwhile(request):
        due, received = trial.due(request), 0
        while received < len(due):
            chunk = peer.receive(min(1 << 13, len(due) - received))
            if not chunk:
                raise Violated(f"a slow reader received only {received:,} of {len(due):,} bytes; {peer.why()}")
            received += len(chunk)
            yield


def _ping(trial: Trial, peer: Peer, who: str = "a client") -> set[str]:
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
    peer.expect(trial.due(request), who)
    return {call} if asleep >= 3 else set()


def expect_model(footprint: Footprint) -> Callable[[Trial], str]:
    """Return the property of being a server of this model, as far as /proc shows it."""

    def check(trial: Trial) -> str:
        with connect_silent_clients(trial, FEW) as peers:
            before = read_threads(trial.pid)
            for peer in peers:
                ask_line(trial, peer)
            _inspect(footprint, trial, len(peers))
            calls = _count_calls(trial, before)
            with connect_slow_reader(trial) as (peer, due):
                for bystander in peers[:3]:
                    ask_line(trial, bystander, "a client that asked while another one was not reading its reply")
                calls += _count_calls(trial, before)
                peer.expect(due[:1000], "the slow reader, which began to read at last,")
            ask_line(trial, peers[0])
        _expect_calls(footprint, calls)
        if footprint.inspect:
            with connect_silent_clients(trial, trial.draw.randrange(*CROWD)) as crowd:
                _inspect(footprint, trial, len(crowd))
        return f"it is what the exercise asks for: {footprint.name}"

    return check


def _inspect(footprint: Footprint, trial: Trial, clients: int) -> None:
    time.sleep(0.05)
    if footprint.inspect and (wrong := footprint.inspect(trial, clients)):
        raise Violated(f"{wrong}; this exercise asks for {footprint.name}")


def _count_calls(trial: Trial, before: dict[int, int]) -> Counter[str]:
    calls: Counter[str] = Counter()
    for _ in range(LOOKS):
        calls.update(name_calls(trial.pid, before))
        time.sleep(0.003)
    return calls


def inspect_epoll(trial: Trial, clients: int) -> str:
    """Say what is wrong if epoll does not watch every connection."""
    watched = max((len(each) for each in watch.read_interests(trial.pid)), default=0)
    if watched > clients:
        return ""
    return (
        f"{clients} clients and the listening socket are open, but one epoll watches {watched or 'none'} of them: "
        "register each one, and let epoll_wait say which are ready"
    )


def inspect_selector(trial: Trial, clients: int) -> str:
    """Say what is wrong if epoll is asked otherwise than a selector does, or for more than connections.

    A selector asks for as many events as it watches descriptors; by itself, `epoll.poll` asks for 1,023. A loop of a
    library watches a pair of sockets of its own, by which it is woken.
    """
    watched, sockets = len(watch.read_interest(trial.pid)), count_sockets(trial.pid)
    events = {call.arguments[2] for call in watch.list_calls(trial.pid) if call and call.name == "epoll_wait"}
    if events and events != {watched}:
        return f"it asks epoll itself, for {max(events):,} events at most, with {watched} descriptors watched"
    if sockets > clients + 1:
        return f"it has {sockets - clients - 1} sockets beside those of its {clients} clients and the listening one"
    return ""


def inspect_completions(trial: Trial, clients: int) -> str:
    """Say what is wrong if io_uring is asked for readiness alone, or if threads of the answer's own receive.

    What waits in a ring stands in its fdinfo; the helper threads of aio(7) block all signals.
    """
    pending = Counter(read_pending(trial.pid))
    if pending[POLL_ADD] >= clients:
        return f"io_uring is asked only when {pending[POLL_ADD]} connections are ready, and receives nothing itself"
    threads = [
        task
        for task in watch.list_threads(trial.pid)
        if (call := watch.read_call(trial.pid, task)) and call.name in ("read", "write")
    ]
    own = [task for task in threads if not watch.blocks_signals(trial.pid, task)]
    return f"{len(own)} threads of its own wait in `read`" if own else ""


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
