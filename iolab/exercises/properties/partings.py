"""Partings: how members of a chat leave, what must be heard of them nevertheless, and what is done for them at rest.

What a member said and the server has received is heard, however that member leaves. Here, much of it is received at
once: the server is stopped while it is sent, so that the end, or a reset, arrives while most of it waits to be passed
on. The kernel tells when the server has received it (`proc_net_tcp(5)`).
"""

import random
import socket
import time
from contextlib import ExitStack, nullcontext

from iolab.exercises.peers import Peer, expect_clean_exit
from iolab.exercises.properties import chats
from iolab.exercises.properties.talks import FULL_BYTES, OWED_BYTES, Member, Talk, draw_lines, draw_longest, play_acts
from iolab.exercises.rest import expect_idle
from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial

SHORT_LINES, HEARERS = 5_000, 16
"""So many lines wait at once to be passed on, as many as the kernel takes, to so many more than the two who stay."""

NAME_BYTES = 180
"""A name that makes more bytes of each of them, and less than may be owed of all."""

LONGER_BYTES = (5_000, 9_000, 17_000, 60_000)
"""What a member says before it leaves is longer than common buffers."""

STEPS, STEP_S, STEP_GROWS = 25, 0.0001, 1.25
"""A server is let run for so short a time, and then for longer and longer, until it has received all."""

ENOUGH, EARLY, ROUNDS_S = 2, 0.4, 2.5
"""So many clients reset when the server had done so little of its work, or as many clients as there is time for.

One that passes on at once what it receives, or a busy machine, does more of it before the judge can stop it.
"""

ARRIVES_IN_S = 2.0
"""On a machine that takes longer, nothing is held against the server."""


def check_leavers(trial: Trial) -> str:
    """Notice nobody who leaves, and pass on all that they said."""
    says = chats.check_leaving(trial)
    play_acts(trial, [say_and_leave, say_and_reset, say_all_at_once])
    return f"{says}; what they had said before was heard"


def check_frozen(trial: Trial) -> str:
    """Pass everything on to those who read, while others are owed too much."""
    says = chats.check_frozen_client(trial)
    play_acts(trial, [owe_too_much])
    return says


def check_idle(trial: Trial) -> str:
    """Use no CPU while nobody says anything, whatever clients there are."""
    says = chats.check_idle_chat(trial)
    play_acts(trial, [leave_unread])
    return says


def check_end(trial: Trial) -> str:
    """End when the listening socket is shut down, whatever is owed to whom."""
    with ExitStack() as stack:
        talk = Talk(trial, stack)
        host, guest = talk.join(b"host"), talk.join(b"guest")
        slow = [talk.join(reads=False) for _ in range(3)]
        talk.join(draw_longest(trial.draw, FULL_BYTES), reads=False, greets=False)  # even its welcome is owed
        for number in range(trial.draw.choice((2, 4, 8))):
            talk.say(host, [b"%x " % number + bytes(150_000)])
            talk.settle()
        slow[0].peer.half_close()
        slow[1].peer.send(b"the beginning of a line")
        stack.enter_context(Peer(trial)).send(b"half a na")
        with trial.pause() if trial.draw.random() < 0.5 else nullcontext():
            guest.peer.send(b"the last line\n")
            trial.listening.stop()
        expect_clean_exit(trial, "chat")
    return "the listening socket was shut down, and the server ended, whatever it owed"


def draw_short_lines(draw: random.Random) -> list[bytes]:
    """Return many lines of a few bytes."""
    first = draw.randrange(256, 1_000)
    return [b"%x" % (first + number) for number in range(SHORT_LINES)]


def say_and_leave(talk: Talk, trial: Trial) -> None:
    """Have members say much and leave, which the server sees together."""
    for size in trial.draw.sample(LONGER_BYTES, len(LONGER_BYTES)):
        member = talk.join()
        lines, rest = draw_lines(trial.draw, size // 500, 500), b"the beginning of a line"
        send_much(member.peer)
        with trial.pause():
            talk.say(member, [*lines, bytes(size)], trial.draw.choice((b"", rest)))
            _leave(talk, member, trial)
        talk.settle(" and sent together with the end of the connection")
        member.peer.connection.close()


def _leave(talk: Talk, member: Member, trial: Trial) -> None:
    talk.members.remove(member)
    member.peer.half_close() if trial.draw.random() < 0.5 else member.peer.connection.close()


def say_and_reset(talk: Talk, trial: Trial) -> None:
    """Have members reset their connections when the server has received all of much, and passed on little."""
    hearers = [talk.join() for _ in range(HEARERS)]  # so that to pass a line on takes long
    early, end_s = 0, time.monotonic() + ROUNDS_S
    while early < ENOUGH and time.monotonic() < end_s:
        before_ns = watch.measure_cpu_ns(trial.pid)
        reset_ns = reset_when_received(talk, trial)
        talk.settle(" and received before one of them reset its connection")
        early += reset_ns - before_ns < (watch.measure_cpu_ns(trial.pid) - before_ns) * EARLY
    for hearer in hearers:
        talk.leave(hearer, "leave")


def reset_when_received(talk: Talk, trial: Trial) -> int:
    """Have one say much and reset its connection once all is received; return what CPU time the server had used."""
    member, lines = talk.join(draw_longest(trial.draw, NAME_BYTES)), draw_short_lines(trial.draw)
    with trial.pause():
        talk.say(member, lines)
        arrives = wait_for_queue(trial, member.peer, sum(len(line) + 1 for line in lines))
    used_ns = watch.measure_cpu_ns(trial.pid)
    for number in range(STEPS if arrives else 0):
        time.sleep(STEP_S * STEP_GROWS**number)
        with trial.pause():
            used_ns = watch.measure_cpu_ns(trial.pid)
            if not count_unreceived(trial, member.peer):
                talk.members.remove(member)
                member.peer.reset()
                break
    return used_ns


def say_all_at_once(talk: Talk, trial: Trial) -> None:
    """Have members connect, send their names, say something and leave before the server sees any of it."""
    lines = [draw_short_lines(trial.draw), draw_lines(trial.draw, 30, 300)]
    talk.settle()
    with trial.pause():
        for number, each in enumerate(lines):
            visitor = talk.add(b"visitor %d" % number)
            send_much(visitor.peer)
            visitor.peer.send(visitor.name + b"\n")
            talk.say(visitor, each)
            visitor.peer.half_close()
            talk.members.remove(visitor)
    talk.settle(" and sent together with a name and the end of the connection")


def owe_too_much(talk: Talk, trial: Trial) -> None:
    """Have some read nothing until too much is owed to them, while others joined before, between and after them."""
    members = [talk.join(reads=reads) for reads in (False, True, *trial.draw.sample((False, False, True), 3), True)]
    frozen = [member for member in members if not member.reads]
    talk.members = [member for member in talk.members if member.reads]  # the others may miss lines from now on
    said_bytes, speakers = 0, [talk.members[0], members[-1]]
    while said_bytes < OWED_BYTES + 2 * FULL_BYTES:
        lines = draw_lines(trial.draw, 5, 20_000)
        said_bytes += sum(map(len, lines))
        talk.say(trial.draw.choice(speakers), lines)
        talk.settle(" while too much was owed to some")
    for member in frozen:
        member.peer.reset() if trial.draw.random() < 0.5 else member.peer.connection.close()
    talk.settle()


def leave_unread(talk: Talk, trial: Trial) -> None:
    """Have members leave, whole or half, who are owed much, or little, or nothing."""
    members = [talk.join(reads=reads) for reads in (False, False, True)]
    talk.say(talk.members[0], [b"%x" % trial.draw.getrandbits(48) + bytes(150_000) for _ in range(4)])
    talk.settle()
    with Peer(trial) as half:
        half.send(b"half a name")
        for peer in (half, *(member.peer for member in members)):
            peer.half_close()
        talk.members = talk.members[: -len(members)]
        talk.say(talk.members[1], draw_lines(trial.draw, 3, 100))
        talk.settle()
        expect_idle(trial, "while clients that closed their sending half do not read what they are owed", 2)
    members[0].peer.reset()
    talk.say(talk.members[0], draw_lines(trial.draw, 3, 100))
    talk.settle()
    expect_idle(trial, "when such a client had reset its connection", 1)
    members[1].peer.receive(1 << 21)
    for member in members[1:]:
        member.peer.connection.close()


def send_much(peer: Peer) -> None:
    """Have the kernel take all that a client says, though the server receives nothing."""
    peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)


def wait_for_queue(trial: Trial, peer: Peer, due: int) -> bool:
    """Wait until so many bytes of a client wait to be received; False if that takes too long."""
    end_s = time.monotonic() + ARRIVES_IN_S
    while count_unreceived(trial, peer) != due:
        if time.monotonic() > end_s:
            return False
    return True


def count_unreceived(trial: Trial, peer: Peer) -> int:
    """Return how many bytes of a client wait to be received. This takes some 20 ms, in which a server does much."""
    return watch.count_unreceived(trial.address[1], peer.connection.getsockname()[1])
