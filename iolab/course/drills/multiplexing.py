"""The drills of lesson 03: one turn of a server on select, and an answer to all that an edge has announced."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from iolab.course.delivery import unread
from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill
from iolab.listening import shut_down
from iolab.replies import upper

A_MOMENT_S = 0.05
"""Whoever has returned by then did not wait; whoever is slow to return is not blamed."""


def check_turn(attempt: Attempt) -> str:
    """Have a turn with a silent client, one that has asked and one that has closed; then with a newcomer; then wait."""
    ends = [attempt.pair() for _ in range(3)]
    (silent, silent_client), (busy, busy_client), (closed, closed_client) = ends
    busy_client.sendall(b"abc")
    closed_client.shutdown(socket.SHUT_WR)
    for each in (busy, closed):
        select.select([each], [], [], attempt.left_s)
    connections = [silent, busy, closed]
    with _door(connections) as listening:
        attempt.story = "Of three clients one is silent, one has sent b'abc', and one has closed its side."
        attempt.call(listening, connections, upper)
        expect_reply(attempt, busy_client, b"ABC")
        if silent not in connections:
            raise attempt.wrong("Your function dropped the silent one.")
        if closed in connections or closed.fileno() >= 0:
            raise attempt.wrong("Your function did not drop and close the one that has closed its side.")
        _let_in(attempt, listening, connections)
        _sleep(attempt, listening, connections)
        attempt.story = "It waited, and then the silent client sent b'de'."
        silent_client.sendall(b"de")
        attempt.result()
        expect_reply(attempt, silent_client, b"DE")
    return "It served the one that had asked, let go the one that had left, let in a newcomer, and slept in between."


@contextmanager
def _door(connections: list[socket.socket]) -> Iterator[socket.socket]:
    """Yield a listening socket; in the end shut it down, which ends a wait for it, and close what was accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        try:
            yield listening
        finally:
            shut_down(listening)
            for connection in connections:
                shut_down(connection)
                connection.close()


def _let_in(attempt: Attempt, listening: socket.socket, connections: list[socket.socket]) -> None:
    before = len(connections)
    attempt.story = "Then a new client connected."
    with socket.create_connection(listening.getsockname()) as newcomer:
        select.select([listening], [], [], attempt.left_s)
        attempt.call(listening, connections, upper)
        if len(connections) != before + 1:
            raise attempt.wrong("It should be in `connections` now, and is not.")
        attempt.story = "Then the new client left."
        newcomer.shutdown(socket.SHUT_WR)
        attempt.call(listening, connections, upper)
        if len(connections) != before:
            raise attempt.wrong("It should not be in `connections` any more, and is.")


def _sleep(attempt: Attempt, listening: socket.socket, connections: list[socket.socket]) -> None:
    attempt.story = "Nobody had anything to say."
    attempt.begin(listening, connections, upper)
    if attempt.returns_within(A_MOMENT_S):
        raise attempt.wrong("Your function returned, and should have waited. Without a fourth argument `select` waits.")


def expect_reply(attempt: Attempt, client: socket.socket, expected: bytes) -> None:
    """Read a reply; raise Wrong for another, or for none at all."""
    there = select.select([client], [], [], 0)[0]
    reply = attempt.receive(client, len(expected)) if there else b""
    if reply != expected:
        got = f"{len(reply)} bytes" if len(reply) > 10 else repr(reply) if reply else "nothing"
        owed = f"{len(expected)} bytes" if len(expected) > 10 else repr(expected)
        raise attempt.wrong(f"The client was owed {owed}, and got {got}.")


def check_drain(attempt: Attempt) -> str:
    """Send 64 bytes, of which a call of recv takes 40; then nothing; then 100 bytes and the end of file."""
    server, client = attempt.pair()
    server.setblocking(False)
    attempt.story = "The client sent 64 bytes, and epoll said so once."
    _ask(attempt, server, client, bytes(range(64)))
    attempt.story = "Nothing had come since."
    attempt.call(server, upper)
    attempt.story = "The client sent 100 bytes, and closed its side."
    _ask(attempt, server, client, bytes(range(100)), leave=True)
    return "64 bytes were answered, then nothing, then 100 bytes and the end of file: nothing was left behind."


def _ask(attempt: Attempt, server: socket.socket, client: socket.socket, request: bytes, leave: bool = False) -> None:
    client.sendall(request)
    if leave:
        client.shutdown(socket.SHUT_WR)
    while unread(server) < len(request):
        select.select([server], [], [], attempt.left_s)
    attempt.call(server, upper)
    if unread(server):
        raise attempt.wrong(f"Your function returned, and left {unread(server)} bytes unread. Nobody will report them.")
    expect_reply(attempt, client, upper(request))


DRILLS = {
    "03-turn": Drill(
        ("listening", "connections", "respond"),
        check_turn,
        (
            "Whom do you ask `select` about? All connections, and one socket more.",
            "`select.select(...)` takes three lists. The second and the third are empty. The first has `listening` and "
            "all `connections`. What it returns first are those of them that are ready: receive there, and answer.",
            "The blanks, in order: `select.select([listening, *connections], [], [])`, `ready.recv(65536)`, "
            "`respond(request)`.",
        ),
        """\
def one_turn(listening, connections, respond):
    readable, writable, exceptional = select.select([listening, *connections], [], [])
    for ready in readable:
        if ready is listening:
            connection, address = listening.accept()
            connections.append(connection)
        elif request := ready.recv(65536):
            ready.send(respond(request))
        else:
            connections.remove(ready)
            ready.close()
""",
    ),
    "03-drain": Drill(
        ("connection", "respond"),
        check_drain,
        (
            "How does a non-blocking socket say that nothing is left? You met its answer in lesson 02.",
            "Receive 40 bytes at a time, and answer each part, until one of two things happens: `recv` raises "
            "`BlockingIOError`, or it returns `b''`, the end of file.",
            "The blanks, in order: `connection.recv(40)`, `BlockingIOError`, `not request`, `respond(request)`.",
        ),
        """\
def answer_all(connection, respond):
    while True:
        try:
            request = connection.recv(40)
        except BlockingIOError:
            return
        if not request:
            return
        connection.send(respond(request))
""",
    ),
}
