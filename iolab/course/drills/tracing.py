"""The drills of lesson 10: how a server learns that bytes have come, and who serves, told by system calls alone."""

from dataclasses import dataclass, field

from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill


@dataclass(frozen=True)
class Call:
    """A system call, as much of it as the drills need."""

    thread: int
    name: str
    descriptor: int
    result: int = 0
    watched: dict[int, str] = field(default_factory=dict)


DOOR, ANN, BOB = 3, 7, 8
"""The descriptors of a listening socket and of two connections."""


def accept(thread: int, connection: int) -> Call:
    """Return the accept of a connection."""
    return Call(thread, "accept4", DOOR, connection)


def receive(thread: int, connection: int, count: int = 18) -> Call:
    """Return a receive; of a count of -1, one in vain."""
    return Call(thread, "recvfrom", connection, count)


def wait(thread: int, name: str, *descriptors: int, result: int = 1) -> Call:
    """Return a call that names the descriptors that it watches."""
    kinds = {number: "listening" if number == DOOR else "connection" for number in descriptors}
    return Call(thread, name, 5 if name.startswith("epoll") else -1, result, kinds)


LEARNS: tuple[tuple[str, str, list[Call]], ...] = (
    (
        "An `epoll_ctl` named descriptor 7, `epoll_wait` returned, and `recvfrom` on 7 brought 18 bytes.",
        "epoll_ctl",
        [accept(1, ANN), wait(1, "epoll_ctl", ANN), wait(1, "epoll_wait"), receive(1, ANN)],
    ),
    (
        "A `poll` named descriptor 3, the listening socket. Then `recvfrom` on 7 brought 18 bytes.",
        "blocking",
        [wait(1, "poll", DOOR), accept(1, ANN), receive(2, ANN)],
    ),
    (
        "A `recvfrom` on 8 was in vain, with -1. Then `poll` named 3 and 7, and `recvfrom` on 7 brought 18 bytes.",
        "poll",
        [accept(1, ANN), receive(1, BOB, -1), wait(1, "poll", DOOR, ANN), receive(1, ANN)],
    ),
    (
        "The first `recvfrom` on 7 brought 18 bytes at once. An `epoll_ctl` named 7 only after that.",
        "epoll_ctl",
        [accept(1, ANN), receive(1, ANN), wait(1, "epoll_ctl", ANN), wait(1, "epoll_wait"), receive(1, ANN)],
    ),
    (
        "A `pselect6` named descriptors 3 and 8, and `recvfrom` on 8 brought 18 bytes.",
        "pselect6",
        [accept(1, BOB), wait(1, "pselect6", DOOR, BOB), receive(1, BOB)],
    ),
)
"""What happened, what is to be said of it, and the calls."""


def check_learns(attempt: Attempt) -> str:
    """Show five servers by a few calls each, and one that receives nothing."""
    for story, expected, calls in LEARNS:
        attempt.story = story
        _expect(attempt, attempt.call(calls), expected)
    attempt.story = "The last server called `epoll_wait` alone, and nobody received anything."
    _expect(attempt, attempt.call([wait(1, "epoll_wait")]), None)
    return "Five servers, and each was named by what watched the connection that it received from."


def _expect(attempt: Attempt, value: object, expected: object) -> None:
    if value != expected:
        raise attempt.wrong(f"Your function returned {value!r:.60}, and should return {expected!r}.")


def born(thread: int, child: int) -> Call:
    """Return the birth of a thread."""
    return Call(thread, "clone3", -1, child)


SERVES: tuple[tuple[str, str, list[Call]], ...] = (
    ("Thread 1 accepted two connections, and received from both.", "one",
     [accept(1, ANN), accept(1, BOB), receive(1, ANN), receive(1, BOB)]),
    ("Thread 1 accepted and received. Thread 9 asked for bytes in vain, with -1.", "one",
     [accept(1, ANN), receive(1, ANN), receive(9, BOB, -1)]),
    ("Thread 1 accepted two connections. After each accept a thread was born, 21 and 22, which received from it.",
     "one for each", [accept(1, ANN), born(1, 21), receive(21, ANN), accept(1, BOB), born(1, 22), receive(22, BOB)]),
    ("Threads 2 and 3 were born first. Then thread 1 accepted two connections, and 2 and 3 received.",
     "one accepts for others",
     [born(1, 2), born(1, 3), accept(1, ANN), accept(1, BOB), receive(2, ANN), receive(3, BOB)]),
    ("Thread 2 accepted, thread 3 was born and accepted too, and each received from its own connection.", "several",
     [accept(2, ANN), born(2, 3), accept(3, BOB), receive(2, ANN), receive(3, BOB)]),
)  # fmt: skip


def check_serves(attempt: Attempt) -> str:
    """Show five servers by who was born, who accepted, and who received."""
    for story, expected, calls in SERVES:
        attempt.story = story
        _expect(attempt, attempt.call(calls), expected)
    return "Five servers, and of each you said who serves."


DRILLS = {
    "10-learns": Drill(
        ("calls",),
        check_learns,
        (
            "The receive is the clue. Its descriptor is watched by some call, or by nobody. What is noted of a watch?",
            "What watches a descriptor is the name of a call: `call.name`. A receive that brought bytes has a "
            "`call.result` of more than 0, and is on `call.descriptor`.",
            "The blanks, in order: `call.name`, `call.result > 0`, `call.descriptor`.",
        ),
        """\
def how_it_learns(calls):
    watched_by = {number: call.name for call in calls for number in call.watched}
    for call in calls:
        if call.name in RECEIVES and call.result > 0:
            return watched_by.get(call.descriptor, "blocking")
""",
    ),
    "10-serves": Drill(
        ("calls",),
        check_serves,
        (
            "Three sets of threads: who accepted, who was born for a client, who received. What does a birth return?",
            "`clone` returns the number of the newborn: `call.result`. Who calls is `call.thread`. `a & b` is what two "
            "sets share, and `a <= b` asks whether all of `a` are in `b`.",
            "The blanks, in order: `call.result`, `call.thread`, `accepters`, `newborn`.",
        ),
        """\
def who_serves(calls):
    accepters, newborn, receivers = set(), set(), set()
    for call in calls:
        if call.name in ACCEPTS:
            accepters.add(call.thread)
        elif call.name in BIRTHS and accepters:
            newborn.add(call.result)
        elif call.name in RECEIVES and call.result > 0:
            receivers.add(call.thread)
    if receivers & accepters:
        return "one" if len(receivers) == 1 else "several"
    return "one for each" if receivers <= newborn else "one accepts for others"
""",
    ),
}
