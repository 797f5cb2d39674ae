"""Talks: what members of a chat do at once, drawn, against the books of what each of them must hear.

Every line that is said is written into the books of all members that must hear it, one column for each speaker: lines
of one speaker keep their order, those of several come in any. Who joins, does so when all that was said before has been
heard, so that the books are right whatever the server does first. No line is said twice.
"""

import itertools
import random
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.properties.chats import FAILS, HOLD_S, WORKS
from iolab.exercises.properties.faults import expect_no_more_descriptors
from iolab.exercises.rest import expect_idle
from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial

NAMES = (
    *(b"ann", b"bob", b"cleo", b"ann", b"zo\xc3\xab", b" blanks ", b"return\r", b"\xff\xfe\x00", b"a: b"),
    *(b"welcome ann", b"x" * 3_000, b"\t", b"-"),
)
OWED_BYTES = 1 << 20
"""So much may be owed to one who does not read, and who must hear it nevertheless."""

LONGEST_BYTES = 1 << 18
"""The longest line, or name, without its line feed."""

FULL_BYTES = 1 << 18
"""More than the kernel takes of what is owed to one who does not read."""

OVER_BYTES = 20_000
"""So much more is said at once to those who read: the kernel takes more than that before it takes nothing."""

PROBE_S = 2.5
"""One who has not read for a while may wait for longer: the kernel asks a closed window more and more seldom."""

MANY_LINES, SINGLE_LINES = 4_000, 1_100
"""Lines said many at once, and lines said one by one."""

COMERS = 6
"""So many connect at once where `accept` fails for some of them."""


class Member:
    """One connection, and what it must hear of each other one."""

    def __init__(self, number: int, name: bytes, peer: Peer, *, reads: bool) -> None:
        self.number, self.name, self.peer, self.reads = number, name, peer, reads
        self.welcome = b"welcome " + name + b"\n"
        self.due: dict[int, deque[bytes]] = {}

    def greet(self, who: str = "a client that sent its name") -> None:
        """Receive the welcome, which comes before all else."""
        self.peer.expect(self.welcome, who)

    def owe(self, speaker: int, line: bytes) -> None:
        """Write down that it must hear a line, the next one of this speaker."""
        self.due.setdefault(speaker, deque()).append(line)

    def count_owed(self) -> int:
        """Return how many bytes it must hear."""
        return sum(len(line) for lines in self.due.values() for line in lines)

    def hear(self, when: str = "") -> None:
        """Receive all that is due. Raise Violated, and say when, if it is not, or is not in order."""
        size = self.count_owed()
        received = self.peer.receive(size)
        if len(columns := [lines for lines in self.due.values() if lines]) == 1 and received == b"".join(columns[0]):
            columns[0].clear()
            return
        for line in _split(received):
            self._take(line, len(received) < size, when)
        if len(received) < size:
            missing = sum(map(len, self.due.values()))
            lines = f"{missing:,} line{'s' * (missing > 1)}"
            raise Violated(f"a client of the chat did not hear {lines} said by others{when}; {self.peer.why()}")

    def begin_to_read(self) -> None:
        """Receive all that is due, now and from now on."""
        self.reads = True
        self.hear()

    def _take(self, line: bytes, cut: bool, when: str) -> None:
        for lines in self.due.values():
            if lines and lines[0] == line:
                lines.popleft()
                return
        if cut and not line.endswith(b"\n"):
            return
        later = any(line in lines for lines in self.due.values())
        what = "a line of one speaker before those that this one said before it" if later else "a line nobody had said"
        raise Violated(f"a client of the chat heard {what}{when}: {line[:40]!r}")


def _split(received: bytes) -> list[bytes]:
    *lines, rest = received.split(b"\n")
    return [*(line + b"\n" for line in lines), *([rest] if rest else [])]


class Talk:
    """Play what members do, and keep the books."""

    def __init__(self, trial: Trial, stack: ExitStack) -> None:
        self._trial, self._draw, self._stack = trial, trial.draw, stack
        self._numbers = itertools.count()
        self._names = itertools.cycle(trial.draw.sample(NAMES, len(NAMES)))
        self.members: list[Member] = []

    def join(self, name: bytes = b"", *, reads: bool = True, greets: bool = True, more: Sequence[bytes] = ()) -> Member:
        """Connect a member, who sends a name in pieces, or together with whole lines, and is welcomed.

        One that is not to be greeted yet reads its welcome later; lines of its own tell that it was welcomed.
        """
        self.settle()
        member = self.add(name or next(self._names), reads=reads)
        text = b"".join(line + b"\n" for line in (member.name, *more))
        cut = 0 if more else self._draw.randrange(len(text))
        for piece in (text[:cut], text[cut:]):
            member.peer.send(piece)
        for line in more:
            self.write_down(member, line)
        if greets:
            member.greet()
        return member

    def add(self, name: bytes, *, reads: bool = True) -> Member:
        """Connect a member, who has sent nothing yet."""
        peer = self._stack.enter_context(Peer(self._trial, narrow=not reads))
        peer.at_rest_s = HOLD_S if reads else PROBE_S
        self.members.append(member := Member(next(self._numbers), name, peer, reads=reads))
        return member

    def say(self, speaker: Member, lines: Sequence[bytes], rest: bytes = b"") -> None:
        """Have a member say lines, in a few pieces, and the beginning of one."""
        text = b"".join(line + b"\n" for line in lines) + rest
        cuts = sorted(self._draw.randrange(len(text) + 1) for _ in range(self._draw.randrange(3)))
        for begin, end in itertools.pairwise((0, *cuts, len(text))):
            if begin < end:
                speaker.peer.send(text[begin:end])
        for line in lines:
            self.write_down(speaker, line)

    def write_down(self, speaker: Member, line: bytes) -> None:
        """Owe a line to all members but the one who says it."""
        for member in self.members:
            if member is not speaker:
                member.owe(speaker.number, speaker.name + b": " + line + b"\n")

    def settle(self, when: str = "") -> None:
        """Have all who read hear what is due."""
        for member in self.members:
            if member.reads:
                member.hear(when)

    def leave(self, member: Member, how: str) -> None:
        """Have a member leave: it is not owed anything any more, and what it said is heard."""
        self.members.remove(member)
        if how == "half-close":
            member.peer.half_close()
            self.settle()
            member.peer.connection.close()
            return
        member.hear()
        self.settle()
        member.peer.reset() if how == "reset" else member.peer.connection.close()


def draw_lines(draw: random.Random, count: int, most_bytes: int) -> list[bytes]:
    """Return lines of any bytes but line feeds, of all lengths; each has a number of its own."""
    table = bytes(each if each != 10 else 32 for each in range(256))
    sizes = [min(draw.choice((0, 5, 30, 200, most_bytes)), most_bytes) for _ in range(count)]
    return [b"%x " % draw.getrandbits(48) + draw.randbytes(size).translate(table) for size in sizes]


def check_talk(trial: Trial) -> str:
    """Have members join, speak, fall silent, read nothing for a while, and leave, in any order."""
    acts = [
        speak_at_once,
        read_later,
        speak_and_read_later,
        say_little_often,
        say_one_by_one,
        say_much_at_once,
        say_more_than_may_be_owed,
        read_welcome_later,
        come_and_go,
        reset_unseen,
        half_a_name,
        come_where_accept_fails,
    ]
    play_acts(trial, acts)
    return "clients joined, spoke, read nothing for a while and left, and all heard what they must"


def wait_for_rest(trial: Trial) -> None:
    """Wait until the server does nothing, so that it has passed on what nobody hears; or for a second."""
    before, now, end_s = None, trial.read_motion(), time.monotonic() + 1
    while (now is None or now != before) and time.monotonic() < end_s:
        time.sleep(0.01)
        before, now = now, trial.read_motion()


def play_acts(trial: Trial, acts: Sequence[Callable[[Talk, Trial], None]]) -> None:
    """Play acts of a talk in any order, and look at the server when all but two have left."""
    with ExitStack() as stack:
        talk = Talk(trial, stack)
        talk.join(b"host")
        talk.say(talk.members[0], [b"nobody is there yet"])
        wait_for_rest(trial)  # one with a thread for each client may welcome the next one first
        talk.join(b"guest")
        before = watch.count_descriptors(trial.pid)
        for act in trial.draw.sample(acts, len(acts)):
            act(talk, trial)
            talk.settle()
        for member in talk.members[2:]:
            talk.leave(member, trial.draw.choice(("reset", "leave", "half-close")))
        talk.settle()
        expect_no_more_descriptors(trial, before, 12)
        expect_idle(trial, "when most clients had left")


def speak_at_once(talk: Talk, trial: Trial) -> None:
    """Have several say several lines at the same time."""
    members = [talk.join(more=draw_lines(trial.draw, count, 50)) for count in trial.draw.sample(range(3), 3)]
    with trial.pause():
        for member in [*members, *members]:
            talk.say(member, draw_lines(trial.draw, 15, 300))
    talk.settle()


def read_later(talk: Talk, trial: Trial) -> None:
    """Have one read nothing while others say much, but not too much."""
    slow = talk.join(reads=False)
    while (left_bytes := OWED_BYTES - slow.count_owed()) > 5_000:
        talk.say(talk.members[0], draw_lines(trial.draw, 5, min(10_000, left_bytes // 6)))
        talk.settle()
    slow.begin_to_read()


def speak_and_read_later(talk: Talk, trial: Trial) -> None:
    """Have one speak who reads nothing and is owed much."""
    slow = talk.join(reads=False)
    talk.say(talk.members[0], [b"%x" % trial.draw.getrandbits(48) + bytes(150_000) for _ in range(4)])
    talk.settle()
    for _ in range(3):
        talk.say(slow, draw_lines(trial.draw, 3, 100))
        talk.settle()
    slow.begin_to_read()


def say_little_often(talk: Talk, trial: Trial) -> None:
    """Have one read nothing while others say many short lines."""
    slow, lines = talk.join(reads=False), [b"%x" % trial.draw.getrandbits(48) for _ in range(MANY_LINES)]
    for first in range(0, MANY_LINES, 500):
        talk.say(talk.members[1], lines[first : first + 500])
        talk.settle()
    slow.begin_to_read()


def say_one_by_one(talk: Talk, trial: Trial) -> None:
    """Have one read nothing while others say short lines, each when the one before has been heard."""
    slow, hearer = talk.join(reads=False), talk.members[0]
    talk.say(talk.members[1], [draw_longest(trial.draw, FULL_BYTES)])  # more than the kernel takes
    talk.settle()
    for _ in range(SINGLE_LINES):
        talk.say(talk.members[1], [b"%x" % trial.draw.getrandbits(48)])
        hearer.hear()
    slow.begin_to_read()


def say_much_at_once(talk: Talk, trial: Trial) -> None:
    """Have one with a long name say many short lines, and lines up to the longest with others right behind them."""
    speaker = talk.join(draw_longest(trial.draw, 3_000))
    talk.say(speaker, draw_lines(trial.draw, 35, 5))  # a few bytes, of which much is to be made before all are silent
    talk.settle()
    for size in (LONGEST_BYTES, trial.draw.choice((LONGEST_BYTES - 1, LONGEST_BYTES * 19 // 20, LONGEST_BYTES // 2))):
        before, behind = (draw_lines(trial.draw, trial.draw.randrange(4), 30_000) for _ in range(2))
        talk.say(speaker, [*before, draw_longest(trial.draw, size), *behind])
        talk.settle()
    longest = draw_longest(trial.draw, LONGEST_BYTES)
    talk.say(speaker, [], longest)
    for _ in range(3):  # the server takes what is there, and the line feed is not
        talk.say(talk.members[0], draw_lines(trial.draw, 1, 100))
        talk.settle()
    talk.write_down(speaker, longest)
    speaker.peer.send(b"\n")
    talk.settle()
    talk.leave(speaker, "leave")


def say_more_than_may_be_owed(talk: Talk, trial: Trial) -> None:
    """Have one with a long name say at once, perhaps together with it, more to those who read than may be owed."""
    for member in talk.members[2:]:  # of those that take little at a time, too
        talk.leave(member, "leave")
    count = trial.draw.randrange(8, 40)
    name = draw_longest(trial.draw, (OWED_BYTES + OVER_BYTES) // count)
    lines = [b"%x" % trial.draw.getrandbits(48) for _ in range(count)]
    together = lines if trial.draw.random() < 0.5 else []
    speaker = talk.join(name, more=together)
    for line in lines[len(together) :]:
        talk.write_down(speaker, line)
    speaker.peer.send(b"".join(line + b"\n" for line in lines[len(together) :]))  # in one packet
    talk.settle(" at once, though it read all the time")
    talk.leave(speaker, "leave")


def draw_longest(draw: random.Random, size: int) -> bytes:
    """Return a line of so many bytes."""
    return (b"%x " % draw.getrandbits(48) + draw.choice((b"-", b"\r ", b"\xff\x00")) * size)[:size]


def read_welcome_later(talk: Talk, trial: Trial) -> None:
    """Have one with a long name not even read its welcome while others speak."""
    name = draw_longest(trial.draw, trial.draw.randrange(LONGEST_BYTES // 2, LONGEST_BYTES))
    slow = talk.join(name, reads=False, greets=False, more=draw_lines(trial.draw, 1, 100))
    talk.settle()
    for member in talk.members[:2]:
        talk.say(member, draw_lines(trial.draw, 3, 1_000))
        talk.settle()
    slow.greet()
    slow.begin_to_read()
    talk.leave(slow, "leave")


def come_and_go(talk: Talk, trial: Trial) -> None:
    """Have members leave in every way, in the middle of a line."""
    for how in trial.draw.sample(("reset", "leave", "half-close"), 3):
        member = talk.join()
        talk.say(member, draw_lines(trial.draw, 3, 100), b"the beginning of a line")
        talk.leave(member, how)
        talk.say(talk.members[0], draw_lines(trial.draw, 1, 100))


def reset_unseen(talk: Talk, trial: Trial) -> None:
    """Have members reset their connections, which the server does not know yet when it passes on what others said."""
    members = [talk.join() for _ in range(7)]  # the last one stays: whatever is left out, it misses
    talk.settle()
    for first in (0, 2, 4):  # in half of all cases a server sees the reset before it passes anything on
        with trial.pause():
            for member in trial.draw.sample(members[first : first + 2], 2):
                talk.members.remove(member)
                talk.say(talk.members[trial.draw.randrange(2)], draw_lines(trial.draw, 2, 100))
                member.peer.reset()
        talk.settle()
    for member in talk.members:
        talk.say(member, draw_lines(trial.draw, 1, 100))


def half_a_name(talk: Talk, trial: Trial) -> None:
    """Have one close its sending half in the middle of its name, and one be silent before it sends its own."""
    with Peer(trial) as half, Peer(trial) as silent:
        half.send(b"half a na")
        half.half_close()
        silent.send(b"sil")
        talk.say(talk.members[1], draw_lines(trial.draw, 2, 100))
        talk.settle()
        silent.send(b"ent\n")
        silent.expect(b"welcome silent\n", "a client that connected long before it sent its name")
        if received := _read_now(half):
            raise Violated(f"a client that closed its sending half in the middle of its name received {received!r:.40}")
    talk.settle()


def come_where_accept_fails(talk: Talk, trial: Trial) -> None:
    """Have several connect at once, and `accept` fail for one of the first, or more; nobody comes after them."""
    for lost in (0, trial.draw.randrange(1, COMERS - 1)):
        fails = 1 << lost | trial.draw.getrandbits(COMERS - 1)  # the last one is to be let in
        talk.settle()
        with trial.pause():
            comers = [talk.add(b"comer %d" % number) for number in range(COMERS)]
            for member in comers:
                member.peer.send(member.name + b"\n")
            trial.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1 << COMERS | fails)
            trial.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, FAILS)
        unlucky = [member for number, member in enumerate(comers) if fails >> number & 1]
        for member in unlucky:
            talk.members.remove(member)
        for member in comers:
            if member not in unlucky:
                member.greet("a client that came right after one for which `accept` raised ConnectionAbortedError")
        trial.listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, WORKS)
        for member in unlucky:
            member.peer.connection.close()
        for member in trial.draw.sample([each for each in comers if each not in unlucky], COMERS - len(unlucky)):
            talk.leave(member, "leave")


def _read_now(peer: Peer) -> bytes:
    try:
        return peer.connection.recv(1 << 16)
    except OSError:  # nothing, or a reset
        return b""
