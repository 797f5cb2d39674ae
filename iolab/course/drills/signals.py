"""The drills of lesson 05: a connection that is read until nothing is left, and whom to ask after a signal."""

import select
import signal
import socket
import threading

from iolab.course.delivery import unread
from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill
from iolab.kernel.signals import SIGNALS, Interest, why_not
from iolab.replies import upper


def check_drain(attempt: Attempt) -> str:
    """Send something, more while it is answered, and nothing then; on another connection, an end of file."""
    server, client = attempt.pair()
    server.setblocking(False)
    more = [b"de"]

    def respond(request: bytes) -> bytes:
        if more:
            client.sendall(more.pop())
            select.select([server], [], [], attempt.left_s)
        return upper(request)

    attempt.story = "The client sent b'abc', and b'de' while your function answered."
    client.sendall(b"abc")
    select.select([server], [], [], attempt.left_s)
    stays = attempt.call(server, respond)
    if left := unread(server):
        raise attempt.wrong(f"Your function left {left} bytes unread.")
    server.shutdown(socket.SHUT_WR)
    if (reply := attempt.receive(client, 100)) != b"ABCDE":
        raise attempt.wrong(f"It was owed b'ABCDE', and got {reply!r}.")
    if not stays:
        raise attempt.wrong(f"Your function returned {stays!r}, as if it had left.")
    _check_end(attempt)
    return "It read until nothing was left, what came meanwhile as well, and it saw the end of file."


def _check_end(attempt: Attempt) -> None:
    server, client = attempt.pair()
    server.setblocking(False)
    attempt.story = "The client closed its side."
    client.shutdown(socket.SHUT_WR)
    select.select([server], [], [], attempt.left_s)
    if (stays := attempt.call(server, upper)) is not False:
        raise attempt.wrong(f"Your function returned {stays!r}, and not False.")


def check_whom(attempt: Attempt) -> str:
    """Hand over two signals of this thread: one of a socket, and one SIGIO."""
    if reason := why_not():
        return f"It could not be tried: {reason}."
    server, client = attempt.pair()
    everyone = {server.fileno(), client.fileno()}
    with Interest() as interest:
        interest.register(server)
        client.sendall(b"x")
        tap = signal.sigtimedwait(SIGNALS, attempt.left_s)
        attempt.story = f"A signal came for descriptor {server.fileno()}."
        _expect(attempt, attempt.call(tap, everyone), {server.fileno()})
        interest.discard()
        signal.pthread_kill(threading.get_ident(), signal.SIGIO)
        tap = signal.sigtimedwait(SIGNALS, attempt.left_s)
        attempt.story = "SIGIO came: the queue had been full."
        _expect(attempt, attempt.call(tap, everyone), everyone)
    return "A signal with a descriptor means that one, and SIGIO means everyone."


def _expect(attempt: Attempt, whom: object, expected: set[int]) -> None:
    if whom != expected:
        raise attempt.wrong(f"Your function returned {whom!r:.80}, and should return {expected}.")


DRILLS = {
    "05-drain": Drill(
        ("connection", "respond"),
        check_drain,
        (
            "It is one round of lesson 02, for one connection, and it goes on. What ends it? There are two ways.",
            "`recv` returns bytes, or `b''` once the client has closed its side: then the loop ends, and the client "
            "is gone. When nothing is left it raises `BlockingIOError`: the client is still there.",
            "The blanks, in order: `connection.recv(65536)`, `respond(request)`, `False`, `BlockingIOError`.",
        ),
        """\
def drain(connection, respond):
    try:
        while request := connection.recv(65536):
            connection.send(respond(request))
        return False
    except BlockingIOError:
        return True
""",
    ),
    "05-whom": Drill(
        ("tap", "everyone"),
        check_whom,
        (
            "Two kinds of signals come. Which of them carries a descriptor?",
            "`signal.SIGIO` says that the queue was full: anybody may have spoken. Any other signal is about one "
            "descriptor, and `descriptor_of(tap)` returns it.",
            "The blanks, in order: `signal.SIGIO`, `everyone`, `descriptor_of(tap)`.",
        ),
        """\
def whom_to_ask(tap, everyone):
    if tap.si_signo == signal.SIGIO:
        return everyone
    return {descriptor_of(tap)}
""",
    ),
}
