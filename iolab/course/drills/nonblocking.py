"""The drills of lesson 02: one round of questions, and a send that keeps what the kernel did not take."""

import select
import socket

from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill
from iolab.replies import upper

REPLY = bytes(range(251)) * 40_000
"""Ten million bytes, of which no two neighbouring parts are alike; no send takes them all."""
LEAST_ROOM = 1 << 15
"""No kernel of ours has a smaller buffer to send from (tcp(7), tcp_wmem)."""


def check_round(attempt: Attempt) -> str:
    """Ask a silent client, one that has sent something and one that has closed; then let the silent one speak."""
    ends = [attempt.pair() for _ in range(3)]
    (silent, silent_client), (busy, busy_client), (closed, closed_client) = ends
    for server, _ in ends:
        server.setblocking(False)
    busy_client.sendall(b"abc")
    closed_client.shutdown(socket.SHUT_WR)
    for each in (busy, closed):
        select.select([each], [], [], attempt.left_s)
    connections = [silent, busy, closed]
    attempt.story = "Of three clients one is silent, one has sent b'abc', and one has closed its side."
    attempt.call(connections, upper)
    _expect_reply(attempt, busy_client, b"ABC")
    if silent not in connections:
        raise attempt.wrong("Your function dropped the silent one. Only `b''` is an end of file.")
    if closed in connections or closed.fileno() >= 0:
        raise attempt.wrong("Your function did not drop and close the one that has closed its side.")
    attempt.story = "In the next round the silent client had sent b'de'."
    silent_client.sendall(b"de")
    select.select([silent], [], [], attempt.left_s)
    attempt.call(connections, upper)
    _expect_reply(attempt, silent_client, b"DE")
    return "Nobody was waited for: the silent client was passed over, the busy one answered, the closed one dropped."


def _expect_reply(attempt: Attempt, client: socket.socket, expected: bytes) -> None:
    if not select.select([client], [], [], 0)[0]:
        raise attempt.wrong(f"It was owed {expected!r}, and got nothing.")
    if (reply := client.recv(100)) != expected:
        raise attempt.wrong(f"It was owed {expected!r}, and got {reply!r}.")


def check_send(attempt: Attempt) -> str:
    """Have ten million bytes sent to a client that does not read, until nothing more is taken; then read them all."""
    server, client = attempt.pair()
    server.setblocking(False)
    attempt.story = "Ten million bytes were to be sent."
    rest = _send(attempt, server, REPLY)
    if len(rest) == len(REPLY):
        raise attempt.wrong("Your function returned them all, as if nothing had been sent.")
    if (sent := len(REPLY) - len(rest)) < LEAST_ROOM:
        raise attempt.wrong(f"It sent {sent:,}, and there was room for many more: hand `send` all that is left.")
    attempt.story = "The client does not read, and its buffers are full."
    while (smaller := _send(attempt, server, rest)) != rest:
        rest = smaller
    attempt.story = "Now the client reads."
    received = attempt.receive(client, len(REPLY) - len(rest))
    while rest and not attempt.time_is_up:
        smaller = _send(attempt, server, rest)
        received += attempt.receive(client, len(rest) - len(smaller))
        rest = smaller
    if received != REPLY:
        raise attempt.wrong(f"It received {len(received):,} bytes of {len(REPLY):,}, or others than were sent.")
    return "Ten million bytes went out in parts, and not one was lost."


def _send(attempt: Attempt, server: socket.socket, unsent: bytes) -> bytes:
    rest = attempt.call(server, unsent)
    if not isinstance(rest, bytes | memoryview):
        raise attempt.wrong(f"Your function returned {rest!r}; it should return the bytes that are still to be sent.")
    if not unsent.endswith(rest := bytes(rest)):
        raise attempt.wrong("What your function returned is not the end of what it was given.")
    return rest


DRILLS = {
    "02-round": Drill(
        ("connections", "respond"),
        check_round,
        (
            "Ask each connection once. Three answers are possible: some bytes, the end of file, and `nothing yet`.",
            "`connection.recv(65536)` returns bytes, or `b''` at the end of file. "
            "For `nothing yet` a non-blocking socket raises an exception, which you met at the top of this lesson; "
            "`suppress` swallows it.",
            "The blanks, in order: `BlockingIOError`, `connection.recv(65536)`, `respond(request)`.",
        ),
        """\
def ask_all(connections, respond):
    for connection in list(connections):
        with suppress(BlockingIOError):
            if request := connection.recv(65536):
                connection.send(respond(request))
            else:
                connections.remove(connection)
                connection.close()
""",
    ),
    "02-send": Drill(
        ("connection", "unsent"),
        check_send,
        (
            "What does `send` return? And what does it raise when there is no room for a single byte?",
            "`send` returns how many bytes it took. With no room at all it raises, and took none. "
            "What is left of `unsent` then?",
            "The blanks, in order: `connection.send(unsent)`, `0`, `unsent[sent:]`.",
        ),
        """\
def send_some(connection, unsent):
    try:
        sent = connection.send(unsent)
    except BlockingIOError:
        sent = 0
    return unsent[sent:]
""",
    ),
}
