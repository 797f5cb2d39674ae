"""The drills of lesson 01: a server of one client at a time, a stream cut to size, patience, and buffers filled up."""

import select
import socket
import time

from iolab.course.delivery import unread
from iolab.course.drills.attempt import GONE, LIMIT_S, Attempt
from iolab.course.drills.drill import Drill
from iolab.replies import upper


def check_serve(attempt: Attempt) -> str:
    """Have two clients served, one after the other, and the server stopped."""
    listening = attempt.listen()
    attempt.begin(listening, upper)
    for whose, requests in (("The first client", (b"abc", b"de")), ("The second client", (b"f",))):
        client = attempt.connect(listening)
        for request in requests:
            client.sendall(request)
            reply = attempt.receive(client, len(request))
            if reply != upper(request):
                raise attempt.wrong(_no_reply(attempt, whose, request, reply))
        client.shutdown(socket.SHUT_WR)
        if extra := attempt.receive(client, 1):
            raise attempt.wrong(f"{whose} had all its replies, and got {extra!r} besides.")
        if attempt.time_is_up:
            raise attempt.wrong(f"{whose} closed its side, and your function did not close the connection.")
    if not attempt.ends_when_stopped():
        raise attempt.wrong("It served two clients, but it swallowed `Stopped`, and goes on though it was stopped.")
    return "Your server answered two clients, one after the other, and ended when its listening socket was shut down."


def _no_reply(attempt: Attempt, whose: str, request: bytes, reply: bytes) -> str:
    if reply:
        return f"{whose} sent {request!r} and got {reply!r} back; `respond` makes {upper(request)!r} of it."
    if attempt.has_returned:
        return GONE
    if attempt.time_is_up:
        return f"{whose} sent {request!r} and got nothing back in {attempt.limit_s:g} s."
    return f"{whose} sent {request!r} and got nothing back: your function closed the connection."


def check_receive_exactly(attempt: Attempt) -> str:
    """Send more than is asked for, in two sends and in one; then too few before the end of file."""
    server, client = attempt.pair()
    attempt.story = "The client sent 8 bytes in two sends, 3 and 5, and 5 were asked for."
    attempt.begin(server, 5)
    client.sendall(b"abc")
    attempt.until(lambda: unread(server) == 0)  # it has taken three of five, and must ask again
    client.sendall(b"defgh")
    _expect(attempt, attempt.result(), b"abcde")
    attempt.story = "3 bytes were left, and 3 were asked for."
    _expect(attempt, attempt.call(server, 3), b"fgh")
    attempt.story = "The client sent 8 bytes in one send, and 5 were asked for."
    client.sendall(b"12345678")
    _expect(attempt, attempt.call(server, 5), b"12345")
    attempt.story = "9 bytes were asked for. 3 were left, and the client sent 2, and then its end of file."
    client.sendall(b"xy")
    client.shutdown(socket.SHUT_WR)
    _expect(attempt, attempt.call(server, 9), b"678xy")
    return "Parts of what came in two sends and in one, an end of file too soon: each call returned what it should."


def _expect(attempt: Attempt, value: object, expected: bytes) -> None:
    if value == expected:
        return
    if value is None:
        raise attempt.wrong("Your function returned None: is the `return` missing?")
    if isinstance(value, bytes) and expected.startswith(value):
        raise attempt.wrong(f"Your loop returned after the first {len(value)}: {value!r}.")
    raise attempt.wrong(f"Your function returned {value!r}, not {expected!r}.")


PAUSE_S, PATIENCE_S = 0.05, 0.3
"""A pause between two requests that is forgiven, and one that is not."""


def check_patience(attempt: Attempt) -> str:
    """Ask twice, with a short pause between, and then fall silent."""
    server, client = attempt.pair()
    attempt.begin(server, upper)
    for request in (b"abc", b"de"):
        client.sendall(request)
        attempt.story = f"The client sent {request!r}."
        attempt.until(lambda: select.select([client], [], [], 0)[0])  # or until nobody is there to reply
        if attempt.has_returned:
            raise attempt.wrong("Your function had returned by then.")
        if (reply := attempt.receive(client, len(request))) != upper(request):
            raise attempt.wrong(f"It got {reply!r} back, and should get {upper(request)!r}.")
        time.sleep(PAUSE_S)
    attempt.story = "The client asked twice, and then said nothing more."
    attempt.result()
    if server.fileno() >= 0:
        raise attempt.wrong("Your function returned, and left the connection open.")
    return "A client that pauses is served; one that falls silent is let go."


LEAST_BYTES = 100_000
"""Less than any two buffers have room for."""


def check_fill(attempt: Attempt) -> str:
    """Play a server that does not read, and count afterwards what it could have read."""
    server, client = attempt.pair()
    client.settimeout(None)
    attempt.story = "The server accepts, and does not read."
    sent = attempt.call(client)
    if not isinstance(sent, int):
        raise attempt.wrong(f"Your function returned {sent!r:.80}, not the number of bytes that were taken.")
    if client.fileno() < 0:
        raise attempt.wrong("Your function closed the client, who should stay.")
    client.close()
    received = attempt.receive(server, 2 * sent + 1)
    if len(received) != sent:
        raise attempt.wrong(f"Your function says that {sent:,} bytes were taken, but {len(received):,} were.")
    if sent < LEAST_BYTES:
        raise attempt.wrong(f"It took {sent:,} bytes. There is room for more: go on until `send` raises TimeoutError.")
    return f"You sent {sent:,} bytes into buffers that nobody empties, until they were full, and counted them all."


DRILLS = {
    "01-serve": Drill(
        ("listening", "respond"),
        check_serve,
        (
            "Read it aloud: wait for a client; then wait for its bytes, and answer them, until none come any more.",
            "`listening.accept()` returns two things: a socket to this client, and its address. "
            "`connection.recv(65536)` waits for bytes, and returns `b''` once the client has closed its side.",
            "The blanks, in order: `listening.accept()`, `connection.recv(65536)`, `not request`, `respond(request)`.",
        ),
        """\
def serve(listening, respond):
    while True:
        connection, address = listening.accept()
        with connection:
            while True:
                request = connection.recv(65536)
                if not request:
                    break
                connection.sendall(respond(request))
""",
    ),
    "01-exactly": Drill(
        ("connection", "count"),
        check_receive_exactly,
        (
            "One `recv` may bring 1 byte, or all of them. What does the loop have to count?",
            "Go on while `received` is shorter than `count`. And never ask for more than is still missing: "
            "what comes after it belongs to the next message.",
            "The blanks, in order: `count`, `count - len(received)`, `chunk`.",
        ),
        """\
def receive_exactly(connection, count):
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            break
        received += chunk
    return received
""",
    ),
    "01-patience": Drill(
        ("connection", "respond"),
        check_patience,
        (
            "A socket can be told how long its calls may wait. What do they do then, when the time is up?",
            "`connection.settimeout(seconds)` sets the limit; a call that exceeds it raises `TimeoutError`. "
            f"A pause of 0.1 s must be forgiven, and the whole try takes {LIMIT_S:g} s at most.",
            f"The blanks, in order: `{PATIENCE_S}`, `TimeoutError`.",
        ),
        f"""\
def converse(connection, respond):
    connection.settimeout({PATIENCE_S})
    with connection:
        try:
            while request := connection.recv(65536):
                connection.sendall(respond(request))
        except TimeoutError:
            pass
""",
    ),
    "01-fill": Drill(
        ("client",),
        check_fill,
        (
            "The client asks and asks, and never reads. At some point there is no room left, and `send` waits. "
            "How do you notice, without waiting for ever?",
            "Give the socket a time-out before the loop: a `send` that finds no room in that time raises "
            "`TimeoutError`. A send that succeeds returns how many bytes it took.",
            "The blanks, in order: `0.2`, `client.send(bytes(65536))`, `TimeoutError`.",
        ),
        """\
def fill(client):
    client.settimeout(0.2)
    sent = 0
    try:
        while sent < 16_000_000:
            sent += client.send(bytes(65536))
    except TimeoutError:
        pass
    return sent
""",
    ),
}
