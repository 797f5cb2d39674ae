"""The drills of lesson 04: an event loop, interest that changes with what is owed, and a loop with a clock."""

import inspect
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector, SelectorKey
from typing import Any

from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill
from iolab.course.drills.multiplexing import expect_reply
from iolab.course.drills.nonblocking import REPLY


class Turns(DefaultSelector):
    """A selector that counts how often it is asked."""

    count = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait, and count it."""
        self.count += 1
        return super().select(timeout)


def check_loop(attempt: Attempt) -> str:
    """Register two sockets with a function each, let their clients speak in turns, and stop the loop."""
    calls: list[tuple[str, bytes]] = []
    with DefaultSelector() as interest:
        clients = {name: _register(attempt, interest, name, calls) for name in ("Ann", "Bob")}
        _let_stop(attempt, interest)
        attempt.begin(interest)
        for name, words in (("Ann", b"abc"), ("Bob", b"de"), ("Ann", b"f")):
            attempt.story = f"{name}'s client sent {words!r}."
            calls.clear()
            clients[name].sendall(words)
            attempt.until(lambda: calls)
            if attempt.has_returned:
                raise attempt.wrong("Your function had returned. A loop goes on for ever.")
            if calls[:1] != [(name, words)]:
                who = f"that of {calls[0][0]} was" if calls else "none was"
                raise attempt.wrong(f"The function that was left for {name} should have been called; {who}.")
        _end(attempt)
    return "Whoever spoke, the function that was left there was called, with the socket; and it let `Stopped` through."


def _register(attempt: Attempt, interest: DefaultSelector, name: str, calls: list[tuple[str, bytes]]) -> socket.socket:
    server, client = attempt.pair()

    def receive(connection: socket.socket) -> None:
        calls.append((name, connection.recv(100)))

    interest.register(server, EVENT_READ, receive)
    return client


def _let_stop(attempt: Attempt, interest: DefaultSelector) -> None:
    """Register a listening socket: once it is shut down, the function that is left there raises Stopped."""
    interest.register(attempt.listen(), EVENT_READ, lambda listening: listening.accept())


def _end(attempt: Attempt) -> None:
    attempt.story = ""
    if not attempt.ends_when_stopped():
        raise attempt.wrong("It worked, but it swallowed `Stopped`, and goes on though it was stopped.")


def check_owed(attempt: Attempt) -> str:
    """Have a reply sent that fits, and one that does not; then read it, while a loop calls what was left there."""
    server, client = attempt.pair()
    server.setblocking(False)

    def receive(connection: socket.socket) -> None:
        """Stand for the function that receives."""

    with DefaultSelector() as interest:
        interest.register(server, EVENT_READ, receive)
        attempt.story = "A reply of 3 bytes was to be sent, and there was room."
        attempt.call(interest, server, b"abc", receive)
        expect_reply(attempt, client, b"abc")
        _expect_reading(attempt, interest, server, receive)
        attempt.story = "Ten million bytes were to be sent, and the client did not read."
        attempt.call(interest, server, REPLY, receive)
        _expect_writing(attempt, interest.get_key(server))
        attempt.story = "Then the client read, and the loop called the function that you left."
        if _read_all(attempt, interest, server, client) != REPLY:
            raise attempt.wrong("The client did not get the ten million bytes as they were.")
        _expect_reading(attempt, interest, server, receive)
    return "What fits is sent; for the rest it waited until there was room; then it went back to reading."


def _expect_reading(
    attempt: Attempt, interest: DefaultSelector, server: socket.socket, receive: Callable[..., None]
) -> None:
    key = interest.get_key(server)
    if key.events != EVENT_READ:
        raise attempt.wrong("All is sent, and the socket is registered for writing: `select` would return every time.")
    if key.data is not receive:
        raise attempt.wrong("All is sent, and the function that is left beside the socket is not `receive`.")


def _expect_writing(attempt: Attempt, key: SelectorKey) -> None:
    if key.events != EVENT_WRITE:
        raise attempt.wrong("Bytes are owed, and the socket is not registered for `EVENT_WRITE` alone.")
    if not inspect.isfunction(key.data):
        raise attempt.wrong("What is left beside the socket is not a function.")


def _read_all(attempt: Attempt, interest: DefaultSelector, server: socket.socket, client: socket.socket) -> bytes:
    """Read what was sent, and call what is left beside the socket, as a loop would, until nothing is owed."""
    received, own = bytearray(), attempt.function
    client.setblocking(False)
    while (key := interest.get_key(server)).events == EVENT_WRITE and len(received) <= len(REPLY):
        received += _read(client)
        if attempt.time_is_up:
            break
        if interest.select(0.05):
            attempt.function = key.data
            attempt.call(server)
    attempt.function = own
    return bytes(received + attempt.receive(client, len(REPLY) - len(received)))


def _read(client: socket.socket) -> bytes:
    received = bytearray()
    with suppress(BlockingIOError):
        while chunk := client.recv(1 << 18):
            received += chunk
    return bytes(received)


EVERY_S = 0.02
"""How often the clock is to tick."""


def check_clock(attempt: Attempt) -> str:
    """Let the clock tick while nobody speaks, and while a socket is ready in every turn."""
    ticks: list[float] = []
    turns: list[object] = []
    with Turns() as interest:
        _let_stop(attempt, interest)
        start_s = time.monotonic()
        attempt.begin(interest, EVERY_S, lambda: ticks.append(time.monotonic()))
        attempt.story = f"Nobody said anything, and `tick` was due every {EVERY_S:g} s."
        _expect_ticks(attempt, lambda: len(ticks) >= 3)
        # On a busy machine the first may be late; a loop that does not wait makes up for it.
        if any(at_s < start_s + n * EVERY_S for n, at_s in enumerate(list(ticks), 1)):
            raise attempt.wrong("It was called too early.")
        if interest.count > 10 * len(ticks) + 10:
            raise attempt.wrong(f"For {len(ticks)} ticks the loop turned {interest.count:,} times: it does not sleep.")
        attempt.story = "Then a socket was ready in every turn."
        server, client = attempt.pair()
        client.sendall(b"never read")
        interest.register(server, EVENT_READ, turns.append)
        before = len(ticks)
        _expect_ticks(attempt, lambda: len(ticks) >= before + 3 and len(turns) > 10)
        _end(attempt)
    return "`tick` was called in time, with nobody speaking and with somebody ready all the time."


def _expect_ticks(attempt: Attempt, condition: Callable[[], Any]) -> None:
    if attempt.until(condition):
        return
    if attempt.has_returned:
        raise attempt.wrong("Your function had returned. A loop goes on for ever.")
    raise attempt.wrong("It did not call `tick` three times, or not the function of a socket that was ready.")


DRILLS = {
    "04-loop": Drill(
        ("interest",),
        check_loop,
        (
            "Read it aloud: for each that is ready, take the function that was left there, and call it. With what?",
            "`interest.select()` waits, and returns pairs of a key and the events. `key.data` is what was left, and "
            "`key.fileobj` is the socket.",
            "The blanks, in order: `interest.select()`, `key.data`, `key.fileobj`.",
        ),
        """\
def run_loop(interest):
    while True:
        for key, _ in interest.select():
            callback = key.data
            callback(key.fileobj)
""",
    ),
    "04-owed": Drill(
        ("interest", "connection", "reply", "receive"),
        check_owed,
        (
            "Two cases: bytes are still owed, or none are. What do you wait for in each, and who is called then?",
            "While bytes are owed, wait for `EVENT_WRITE`; the function that is left there sends the rest. "
            "When all is sent, wait for `EVENT_READ` again, and leave the function that receives.",
            "The blanks, in order: `EVENT_WRITE`, `rest`, `EVENT_READ`, `receive`.",
        ),
        """\
def send(interest, connection, reply, receive):
    try:
        sent = connection.send(reply)
    except BlockingIOError:
        sent = 0
    if rest := reply[sent:]:
        interest.modify(connection, EVENT_WRITE, lambda ready: send(interest, ready, rest, receive))
    else:
        interest.modify(connection, EVENT_READ, receive)
""",
    ),
    "04-clock": Drill(
        ("interest", "every_s", "tick"),
        check_clock,
        (
            "How long may `select` sleep at most? And after it, what do you look at: the list, or the clock?",
            "`interest.select(timeout)` returns after `timeout` seconds at the latest. `wait_s` is the time from now "
            "until `due_s`. After the callbacks ask `time.monotonic()` whether the moment has come.",
            "The blanks, in order: `due_s`, `wait_s`, `time.monotonic()`.",
        ),
        """\
def run_with_clock(interest, every_s, tick):
    due_s = time.monotonic() + every_s
    while True:
        wait_s = max(0, due_s - time.monotonic())
        for key, _ in interest.select(wait_s):
            key.data(key.fileobj)
        if due_s <= time.monotonic():
            tick()
            due_s += every_s
""",
    ),
}
