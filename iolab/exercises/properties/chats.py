"""Properties of a chat server: every line to everybody else, whoever has stopped reading."""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from iolab.exercises.peers import Peer, Violated, expect_clean_exit
from iolab.exercises.properties import wire
from iolab.exercises.properties.faults import GROWTH_BYTES, expect_no_more_descriptors
from iolab.exercises.rest import expect_idle
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial
from iolab.kernel import descriptors
from iolab.traffic import faults

PROGRAM = """

def serve(listening, respond):
    import errno
    import os
    import socket
    import time
    from iolab.listening import ListeningSocket

    plain_accept, inode = socket.socket.accept, os.fstat(listening.fileno()).st_ino

    def accept(self):
        connection, peer = plain_accept(self)
        if isinstance(self, ListeningSocket) or os.fstat(self.fileno()).st_ino != inode:
            return connection, peer
        if self.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 1:
            fails = self.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            if fails > 1:
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, fails >> 1)
                if fails & 1:
                    connection.close()
                    raise ConnectionAbortedError(errno.ECONNABORTED, "no descriptor left for this connection")
        return connection, peer

    socket.socket.accept = accept

    def hurry(clock):
        begin = clock()
        return lambda: begin + (clock() - begin) * 1000

    names = "time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns"
    clocks = [(clock, hurry(clock)) for clock in (getattr(time, name) for name in names)]
    for place in (vars(time), globals()):
        for name, value in list(place.items()):
            for clock, hasty in clocks:
                if value is clock:
                    place[name] = hasty
    chat(listening)
"""
"""Runs a chat whose clocks go faster: nothing that a chat owes may depend on how long a client was silent.

Its `accept` fails where the judge asks for it: by TCP_KEEPINTVL of the listening socket, whose TCP_KEEPIDLE has a bit
for each of the next connections, the lowest one for the next, and a 1 above them. Without SO_KEEPALIVE both do nothing.
"""

FAILS, WORKS = 1, 75

REFERENCE = Path(__file__).parent.parent / "chat.py"

LIMITS = {"RLIMIT_NOFILE": 1024, "RLIMIT_AS": 1 << 34}
MANY, RESERVED = 500, 200
FROZEN_BYTES, LINE_BYTES, MUCH_BYTES = 24 * MIB, (30_000, 995), 160_000
LONG_NAME = "n" * 30_000
LAG_BYTES, OWED_BYTES, SIP_BYTES = 3 * MIB, 900_000, 300_000
"""One who lags reads so much whenever it is owed so much, until so much was said."""

ROUNDS = 4
EMPTY_LINES, AT_ONCE = 15, 8_192
HOLD_S = 0.25
"""A server that sleeps so long, with something due to a client that reads, is held up by another one."""

TALKING, TURNS, WARM_UP, LINES = 30, 5, 50, 50
SILENT, SILENCE_BYTES = 20, 960_000
"""So many of those who talk read nothing, and are owed so much, where that is to be dear for who copies it."""

TIMES = 10.0
"""How much more CPU a message may take than with the reference."""


def join(trial: Trial, stack: ExitStack, name: str, *, narrow: bool = False) -> Peer:
    """Connect a client, send its name, and expect its welcome."""
    peer = stack.enter_context(Peer(trial, narrow=narrow))
    peer.send(name.encode() + b"\n")
    peer.expect(f"welcome {name}\n".encode(), "a client that sent its name")
    return peer


@contextmanager
def join_all(trial: Trial, *names: str) -> Iterator[list[Peer]]:
    """Yield clients that have joined."""
    with ExitStack() as stack:
        yield [join(trial, stack, name) for name in names]


def say_line(speaker: Peer, name: str, text: bytes, hearers: list[Peer], who: str = "a client of the chat") -> None:
    """Say a line, and expect that all hearers get it."""
    speaker.send(text + b"\n")
    for hearer in hearers:
        hearer.expect(name.encode() + b": " + text + b"\n", who)


def check_welcome(trial: Trial) -> str:
    """Welcome clients, and pass a line on to others and not to the one who said it."""
    with join_all(trial, "ann", "bob", "cleo") as (ann, bob, cleo):
        say_line(ann, "ann", wire.draw_line(trial), [bob, cleo])
        say_line(bob, "bob", wire.draw_line(trial), [ann, cleo])
    return "three clients joined and heard each other"


def check_lines(trial: Trial) -> str:
    """Pass on whole lines, however they arrive: in pieces, several at once, and in any script."""
    with join_all(trial, "ann", "bob") as (ann, bob):
        text = " ".join(trial.draw.sample(["über", "多路复用", "épée", "сокет", "😀", "plain"], 4)).encode()
        for number in range(0, len(text), 2):
            ann.send(text[number : number + 2])
            time.sleep(0.002)
        say_line(ann, "ann", b"", [])
        bob.expect(b"ann: " + text + b"\n", "a client that was to hear a line sent in pieces")
        several = [wire.draw_line(trial) for _ in range(20)]
        ann.send(b"".join(each + b"\n" for each in several))
        bob.expect(
            b"".join(b"ann: " + each + b"\n" for each in several), "a client that was to hear lines sent all at once"
        )
        for line in (b"", b"  spaces  ", b"ends with CR\r", b": colons: ", b"\r", b"\xff\x00\xfe"):
            say_line(ann, "ann", line, [bob], "a client that was to hear a line of unusual bytes")
        long = trial.draw.choice(wire.WORDS) * 20_000
        say_line(ann, "ann", long, [bob])
        _expect_names(trial, bob)
    return "lines were passed on whole: one sent in pieces, many at once, and a long one"


def _expect_names(trial: Trial, hearer: Peer) -> None:
    """Join under names that arrive in pieces, or together with lines, or in any script."""
    name, line = trial.draw.choice(["zoë", "李雷", "о́ля"]).encode(), wire.draw_line(trial)
    with Peer(trial) as pieces, Peer(trial) as together:
        for number in range(len(name)):
            pieces.send(name[number : number + 1])
            time.sleep(0.002)
        pieces.send(b"\n")
        pieces.expect(b"welcome " + name + b"\n", "a client that sent its name in pieces")
        pieces.send(line + b"\n")
        hearer.expect(name + b": " + line + b"\n", "a client that was to hear one whose name came in pieces")
        together.send(b"dan\nfirst\nsecond\nthi")
        together.expect(b"welcome dan\n", "a client that sent its name and lines at once")
        together.send(b"rd\n")
        due = b"dan: first\ndan: second\ndan: third\n"
        hearer.expect(due, "a client that was to hear one who sent its name and lines at once")


def check_many_members(trial: Trial) -> str:
    """Serve hundreds of clients, one of them frozen."""
    count = min(MANY, descriptors.most_connections() - RESERVED)
    with ExitStack() as stack:
        peers = [join(trial, stack, f"client{number}") for number in range(count - 1)]
        join(trial, stack, "frozen", narrow=True)
        speakers = trial.draw.sample(range(len(peers)), 6)
        for number in speakers:
            hearers = [peer for peer in peers if peer is not peers[number]]
            say_line(peers[number], f"client{number}", wire.draw_line(trial), hearers, f"one of {count} clients")
    return f"{count} clients, one of them frozen, heard what {len(speakers)} of them said"


def check_frozen_client(trial: Trial) -> str:
    """Pass everything on to those who read, while two do not, and keep what those cost bounded."""
    with ExitStack() as stack:
        bob = join(trial, stack, "bob")
        _say_empty_lines(trial, bob)
        _say_under_a_long_name(trial, bob)
        _talk_and_not_read(trial, bob)
        ann = join(trial, stack, "ann")
        _lag_behind(trial, ann, bob)
        count, before = watch.count_descriptors(trial.pid), watch.measure_resident_bytes(trial.pid)
        frozen = [join(trial, stack, f"frozen{number}", narrow=True) for number in range(2)]
        blocks = [(trial.draw.choice(wire.WORDS) * size)[:size] for size in LINE_BYTES]
        bob.at_rest_s = HOLD_S
        for block in blocks:
            _say_much(ann, bob, block)
            grown = watch.measure_resident_bytes(trial.pid) - before
            if grown > GROWTH_BYTES * len(frozen):
                raise Violated(
                    f"while two clients read nothing, {FROZEN_BYTES // MIB} MiB were said in lines of {len(block):,} "
                    f"bytes, and the memory grew by {grown / MIB:.0f} MiB; disconnect a client that is owed too much, "
                    "or drop its lines"
                )
        expect_idle(trial, "while two clients read nothing")
        frozen[0].at_rest_s = HOLD_S
        late = frozen[0].receive(4 * MIB)
        say_line(ann, "ann", b"late", [bob], "a client that read when another one began to read at last")
        _expect_whole_lines(late + frozen[0].receive(1 << 16), *(b"ann: " + block for block in blocks), b"ann: late")
        frozen[0].connection.close()
        frozen[1].reset()
        say_line(ann, "ann", wire.draw_line(trial), [bob], "a client that read when others had frozen and left")
        expect_no_more_descriptors(trial, count, 2)
        expect_idle(trial, "when two clients that had read nothing were gone")
    return f"{FROZEN_BYTES // MIB} MiB were passed on while two clients read nothing"


def _say_empty_lines(trial: Trial, bob: Peer) -> None:
    """Owe one who does not read so many short lines that what each of them costs tells, and far less than 1 MiB."""
    due = b"a: \n" * AT_ONCE
    with ExitStack() as stack:
        frozen, speaker = join(trial, stack, "frozen", narrow=True), join(trial, stack, "a")
        before = watch.measure_resident_bytes(trial.pid)
        for _ in range(EMPTY_LINES):
            speaker.send(b"\n" * AT_ONCE)
            bob.expect(due, "a client that read while another one was frozen")
        grown = watch.measure_resident_bytes(trial.pid) - before
        count = EMPTY_LINES * AT_ONCE
        if grown > GROWTH_BYTES:
            raise Violated(
                f"a client that reads nothing is owed {count:,} empty lines, {count * 4 // 1024} KiB in all, "
                f"and the memory grew by {grown / MIB:.0f} MiB"
            )
        frozen.expect(
            due * EMPTY_LINES, f"a client that read nothing while {count:,} empty lines were said, and then all"
        )


def _say_under_a_long_name(trial: Trial, bob: Peer) -> None:
    """Have one who has a long name say empty lines to one who does not read: the name is owed, too."""
    with ExitStack() as stack:
        speaker = join(trial, stack, LONG_NAME)
        before = watch.measure_resident_bytes(trial.pid)
        join(trial, stack, "frozen", narrow=True)
        _say_much(speaker, bob, b"", LONG_NAME)
        says = f"a client read nothing while one with a name of {len(LONG_NAME):,} bytes said empty lines"
        _expect_bounded(trial, before, says, "disconnect a client that is owed too much, or drop its lines")


def _talk_and_not_read(trial: Trial, bob: Peer) -> None:
    """Have one who is owed something, and does not read, say much: to itself it owes nothing of that."""
    with ExitStack() as stack:
        mute = join(trial, stack, "mute", narrow=True)
        with ExitStack() as brief:
            guest = join(trial, brief, "guest")
            for _ in range(SIP_BYTES // LINE_BYTES[0]):
                say_line(guest, "guest", b"x" * LINE_BYTES[0], [bob])
        before = watch.measure_resident_bytes(trial.pid)
        _say_much(mute, bob, b"m" * LINE_BYTES[1], "mute")
        says = f"one that read nothing, and was owed {SIP_BYTES // 1000} kB, talked on"
        _expect_bounded(trial, before, says, "its own lines are not owed to it")


def _expect_bounded(trial: Trial, before: int, says: str, hint: str) -> None:
    grown = watch.measure_resident_bytes(trial.pid) - before
    if grown > GROWTH_BYTES:
        said = f"{says}, {FROZEN_BYTES // MIB} MiB in all"
        raise Violated(f"{said}, and the memory grew by {grown / MIB:.0f} MiB; {hint}")


def _lag_behind(trial: Trial, ann: Peer, bob: Peer) -> None:
    """Read late, and never all of it: who is owed less than 1 MiB at any time misses nothing."""
    block = b"l" * 995
    text, due = (block + b"\n") * 60, (b"ann: " + block + b"\n") * 60
    with ExitStack() as stack:
        late = join(trial, stack, "late", narrow=True)
        said = read = 0
        while said < LAG_BYTES:
            ann.send(text)
            bob.expect(due, "a client that read while another one lagged behind")
            said += len(due)
            if said - read > OWED_BYTES:
                read += len(late.receive(SIP_BYTES))
        read += len(late.receive(said - read))
    if read < said:
        raise Violated(
            f"a client that read late, and was owed {OWED_BYTES + len(due):,} bytes at most at any time, got {read:,} "
            f"of the {said:,} bytes that were said; what `send` has taken is not owed any more"
        )


def _say_much(speaker: Peer, bob: Peer, block: bytes, name: str = "ann") -> None:
    line = f"{name}: ".encode() + block + b"\n"
    count = 64_000 // len(line)
    for _ in range(FROZEN_BYTES // (count * len(line))):
        speaker.send((block + b"\n") * count)
        bob.expect(line * count, "a client that read while others were frozen")


def _expect_whole_lines(received: bytes, *due: bytes) -> None:
    """Raise Violated for a line that is not whole; the last one may be cut off by the end."""
    for line in received.split(b"\n")[:-1]:
        if line not in due:
            raise Violated(f"one who had read nothing received a part of a line, {len(line):,} bytes of it")


def check_fairness(trial: Trial) -> str:
    """Give every client its turn, when several have much to say.

    Threads may take their turns so that one is heard to its end first. That is chance once, and not every time.
    """
    for number in range(ROUNDS):
        missing, why = _count_unheard(trial, number)
        if not missing:
            return f"3 clients sent {MUCH_BYTES:,} bytes each at the same time, and took turns"
    raise Violated(
        f"3 clients sent {MUCH_BYTES:,} bytes each at the same time: all of one was passed on "
        f"before the first line of {missing} others, {ROUNDS} times out of {ROUNDS}; {why}"
    )


def _count_unheard(trial: Trial, number: int) -> tuple[int, str]:
    """Return how many of three speakers were not heard before one was heard to its end, and what the server does."""
    names = [f"{name}{number}" for name in ("ann", "cleo", "dan")]
    trial.draw.shuffle(names)
    with join_all(trial, *names, f"bob{number}") as (*speakers, bob):
        with trial.pause():
            for speaker in speakers:
                speaker.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MUCH_BYTES)
                speaker.send((b"x" * 99 + b"\n") * (MUCH_BYTES // 100))
        due = sum(MUCH_BYTES // 100 * len(name + ": \n" + "x" * 99) for name in names)
        whose = [line.partition(b":")[0].decode() for line in bob.receive(due).splitlines()]
        last = min((len(whose) - whose[::-1].index(name) for name in names if name in whose), default=0)
        return sum(name not in whose[:last] for name in names), bob.why()


def check_leaving(trial: Trial) -> str:
    """Go on when clients leave, reset, or never send a name; pass on no half line, keep no descriptor."""
    with join_all(trial, "ann", "bob") as (ann, bob):
        say_line(ann, "ann", wire.draw_line(trial), [bob])
        before = watch.count_descriptors(trial.pid)
        for number in range(10):
            with ExitStack() as stack:
                guest = join(trial, stack, f"guest{number}")
                guest.send(b"half a line")
                if number % 2:
                    guest.reset()
            faults.reset_midway(trial.address)
            faults.connect_and_close(trial.address, 1)
        say_line(ann, "ann", wire.draw_line(trial), [bob], "a client that stayed when others left")
        expect_no_more_descriptors(trial, before, 30)
        _expect_namesakes(trial, ann, bob)
        expect_no_more_descriptors(trial, before, 32)
        expect_idle(trial, "when 32 clients had left")
    return "32 clients connected and left, and the others did not notice"


def _expect_namesakes(trial: Trial, ann: Peer, bob: Peer) -> None:
    """Join under a name that is there already, and leave again: both hear, and the other one stays."""
    who = "a client that was to hear what was said to two of the same name"
    with ExitStack() as stack:
        second = join(trial, stack, "ann")
        say_line(second, "ann", wire.draw_line(trial), [ann, bob], who)
        say_line(ann, "ann", wire.draw_line(trial), [second, bob], who)
        say_line(bob, "bob", wire.draw_line(trial), [second, ann], who)
        join(trial, stack, "bob").reset()
    say_line(bob, "bob", wire.draw_line(trial), [ann], "a client whose namesake had left")
    say_line(ann, "ann", wire.draw_line(trial), [bob], "a client whose namesake had left")


def check_idle_chat(trial: Trial) -> str:
    """Use no CPU while nobody says anything."""
    with join_all(trial, *(f"client{number}" for number in range(20))) as peers:
        say_line(peers[0], "client0", wire.draw_line(trial), peers[1:])
        time.sleep(0.1)
        expect_idle(trial, "while nobody says anything")
        say_line(peers[0], "client0", wire.draw_line(trial), peers[1:])
    return "less than 1 % of a CPU while nobody said anything"


def check_end_of_chat(trial: Trial) -> str:
    """End when the listening socket is shut down."""
    with join_all(trial, "ann", "bob") as (ann, bob):
        say_line(ann, "ann", wire.draw_line(trial), [bob])
        trial.listening.stop()
    expect_clean_exit(trial, "chat")
    return "the listening socket was shut down, and the server ended"


def check_cost(answer: str, entry: str, draw: random.Random) -> str:
    """Use about as much CPU for a message as the reference, whether all read or most do not."""
    says = _compare_costs(answer, entry, draw, 0)
    _compare_costs(answer, entry, draw, SILENT)
    return says


def _compare_costs(answer: str, entry: str, draw: random.Random, silent: int) -> str:
    reference = REFERENCE.read_text(encoding="utf-8") + PROGRAM
    # In turns, since what else the machine does changes what a line costs by half. Never both at once: an answer that
    # finds the reference could join its chat, and make its lines dear.
    turns: list[tuple[float, float]] = []
    for _ in range(TURNS):
        mine, its = (_measure_line_us(Trial(each, entry, draw, limits=LIMITS), silent) for each in (answer, reference))
        turns.append((mine, its))
        if [mine > 3 * TIMES * its for mine, its in turns[-2:]] == [True, True]:
            break  # twice so dear is no chance, and takes long
    ours, theirs = (median(costs) for costs in zip(*turns, strict=True))
    times = median(mine / its for mine, its in turns)
    says = f"passing on a line takes {ours:.1f} µs of CPU, {times:.1f} times the {theirs:.1f} µs of the reference"
    if times > TIMES:
        who = f", while {silent} of {TALKING} clients read nothing and are owed {SILENCE_BYTES // 1000} kB each"
        raise Violated(f"{says}{who if silent else ''}; at most {TIMES:.0f} times is allowed")
    return says


def _measure_line_us(trial: Trial, silent: int) -> float:
    """Return the CPU time for one line to one client, after a warm-up."""
    names = [f"client{number}" for number in range(TALKING)]
    with trial, ExitStack() as stack:
        silents = [join(trial, stack, name, narrow=True) for name in names[:silent]]
        peers = [join(trial, stack, name) for name in names[silent:]]
        for _ in range(SILENCE_BYTES // LINE_BYTES[0] if silents else 0):
            say_line(peers[0], names[silent], b"x" * LINE_BYTES[0], peers[1:])
        before_ns = 0
        for number in range(WARM_UP + LINES):
            if number == WARM_UP:
                before_ns = watch.measure_cpu_ns(trial.pid)
            speaker = number % len(peers)
            hearers = [peer for peer in peers if peer is not peers[speaker]]
            say_line(peers[speaker], names[silent + speaker], wire.draw_line(trial), hearers)
        return (watch.measure_cpu_ns(trial.pid) - before_ns) / 1000 / LINES / (TALKING - 1)
