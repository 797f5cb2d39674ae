"""The drills of lesson 09: an accept that others may win, and a connection that is handed on."""

import select
import socket

from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill
from iolab.listening import shut_down


def check_accept(attempt: Attempt) -> str:
    """Wake two workers for one client: the first is to take it, the second to find nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        try:
            return _accept_twice(attempt, listening)
        finally:
            shut_down(listening)  # who sleeps in accept all the same is woken


def _accept_twice(attempt: Attempt, listening: socket.socket) -> str:
    listening.setblocking(False)
    with socket.create_connection(listening.getsockname()) as client:
        select.select([listening], [], [], attempt.left_s)
        attempt.story = "One client had connected, and two workers woke."
        connection = attempt.call(listening)
        if not isinstance(connection, socket.socket):
            raise attempt.wrong(f"The first of them got {connection!r}, and should get the connection.")
        with connection:
            if connection.getblocking():
                raise attempt.wrong("Its connection still blocks: one slow client would hold up all others of its own.")
            attempt.story += " The first took the client."
            if (second := attempt.call(listening)) is not None:
                raise attempt.wrong(f"For the second nobody was left, but your function returned {second!r:.60}.")
            connection.sendall(b"hello")
            if attempt.receive(client, 5) != b"hello":
                raise attempt.wrong("But the client does not hear from it.")
    return "The first worker took the client. The second found nobody, and can go back to wait."


def check_hand_on(attempt: Attempt) -> str:
    """Play two workers, who are handed a connection each."""
    ends = [socket.socketpair() for _ in range(2)]
    try:
        ways = [ours for ours, _ in ends]
        for turn, (_, theirs) in enumerate(ends):
            attempt.story = f"It was the turn of worker {turn + 1} of 2."
            _hand_on(attempt, ways, theirs)
        if len(ways) != 2:
            raise attempt.wrong(f"Then {len(ways)} of 2 ways were left: who had a turn goes to the end of the list.")
    finally:
        for each in (end for pair in ends for end in pair):
            each.close()
    return "Two connections went to two workers in turn, and you kept no copy of them."


def _hand_on(attempt: Attempt, ways: list[socket.socket], theirs: socket.socket) -> None:
    connection, client = attempt.pair()
    attempt.call(connection, ways)
    if not select.select([theirs], [], [], 0)[0]:
        raise attempt.wrong("It got nothing.")
    _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
    if not descriptors:
        raise attempt.wrong("A byte came, but no descriptor with it.")
    with socket.socket(fileno=descriptors[0]) as copy:
        if connection.fileno() >= 0:
            raise attempt.wrong("You kept a copy open: the client sees no end of file before both are closed.")
        copy.sendall(b"hello")
    if attempt.receive(client, 5) != b"hello":
        raise attempt.wrong("But its client does not hear from what was handed on.")


DRILLS = {
    "09-accept": Drill(
        ("listening",),
        check_accept,
        (
            "Two workers wake, and there is one client. What does `accept` do for the one who comes second?",
            "`listening.accept()` returns a connection and an address, or raises `BlockingIOError`. A new connection "
            "blocks until it is told not to: `connection.setblocking(False)`.",
            "The blanks, in order: `listening.accept()`, `BlockingIOError`, `False`.",
        ),
        """\
def accept_one(listening):
    try:
        connection, address = listening.accept()
    except BlockingIOError:
        return None
    connection.setblocking(False)
    return connection
""",
    ),
    "09-hand-on": Drill(
        ("connection", "ways"),
        check_hand_on,
        (
            "A process knows a connection by a number. What has to be sent, who is next after that, and what do you "
            "do with your own copy?",
            "`connection.fileno()` is the number of the descriptor, `ways.append(way)` sends a worker to the end of "
            "the queue, and `connection.close()` lets go of your copy.",
            "The blanks, in order: `connection.fileno()`, `way`, `connection.close()`.",
        ),
        """\
def hand_on(connection, ways):
    way = ways.pop(0)
    socket.send_fds(way, [b"."], [connection.fileno()])
    ways.append(way)
    connection.close()
""",
    ),
}
