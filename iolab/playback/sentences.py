"""One sentence for each call: what it brought, and how long that had lain there, or was waited for.

A sentence is a pattern and one time. A run of thousands of calls has few patterns, so its data stay small.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from iolab.display.units import short_time
from iolab.playback.portions import Portion
from iolab.trace.calls import SENDS, WAITS, Call
from iolab.trace.recorder import EAGAIN


class Sentence(NamedTuple):
    """A pattern with the places {c}, {r} and {t}: a connection, a result, and a time in nanoseconds."""

    pattern: str
    time_ns: int = 0

    def of(self, call: Call) -> str:
        """Return the sentence of a call."""
        return (
            self.pattern.replace("{c}", str(call.connection))
            .replace("{r}", f"{call.result:,}" if isinstance(call.result, int) else call.result)
            .replace("{t}", short_time(self.time_ns / 1e3))
        )


def sentences(calls: Sequence[Call], requests: Sequence[Portion]) -> Iterator[Sentence]:
    """Yield the sentence of each call."""
    lain = {(each.connection, each.taken_ns): each.taken_ns - each.arrived_ns for each in requests}
    for call in calls:
        yield sentence(call, lain.get((call.connection or 0, call.end_ns), 0))


def sentence(call: Call, lain_ns: int) -> Sentence:
    """Say what a call brought; `lain_ns` is how long its bytes had been in the buffer when it returned."""
    if isinstance(call.result, str):
        return _failure(call)
    if call.name in WAITS or call.name == "io_uring_submit":
        return _wait(call)
    if call.name == "recv":
        return _recv(call, lain_ns)
    if call.name == "accept":
        slept = " The thread had slept for it for {t}." if slept_ns(call) else ""
        return Sentence(f"`accept` takes connection {{c}} out of the backlog.{slept}", slept_ns(call))
    if call.connection is None and call.name in BELL:
        return Sentence(BELL[call.name], duration_ns(call))
    return Sentence(PATTERNS.get(call.name, f"`{call.name}` returns {{r}} on connection {{c}}."), duration_ns(call))


PATTERNS = {
    "accepted": "A completion: connection {c} is accepted.",
    "received": "A completion: {r} bytes of connection {c} are in the program's memory already.",
    "sent": "A completion: {r} bytes are sent to client {c}.",
    "aio_read": "`aio_read` asks for the next bytes of connection {c}, and returns after {t} without them.",
    "aio_write": "`aio_write` asks for a reply to be sent to client {c}, and returns after {t}.",
    "close": "`close` gives connection {c} up.",
    **dict.fromkeys(SENDS, "`send` copies {r} bytes for client {c} into the send buffer in {t}."),
}
BELL = {
    "aio_read": "`aio_read` asks to hear of the next connection, and returns after {t}.",
    "received": "A completion: the thread that accepts has a new connection.",
}
"""The same where the connection is the bell of the thread that accepts."""

PATTERNS["sendall"] = PATTERNS["sendall"].replace("`send`", "`sendall`")


def _recv(call: Call, lain_ns: int) -> Sentence:
    if call.result == 0:
        return Sentence("`recv` returns 0 bytes: client {c} has closed the connection.")
    if slept_ns(call):
        return Sentence(
            "`recv` returns {r} bytes of client {c}. The thread had slept for them for {t}.", slept_ns(call)
        )
    return Sentence("`recv` returns {r} bytes of client {c}: they had lain in the buffer for {t}.", lain_ns)


def _wait(call: Call) -> Sentence:
    slept, many = slept_ns(call), call.result != 1
    after = ", after {t} of sleep." if slept else ", without a sleep."
    if call.name.startswith("io_uring"):
        does = f"hands over {{r}} order{'s' * many} in one call"
    elif call.name.startswith("sig"):
        does = "takes a signal out of the queue"
    elif call.name == "aio_suspend":
        does = f"finds {{r}} request{'s' * many} done"
    elif call.result:
        does = f"names {{r}} descriptor{'s that are' if many else ' that is'} ready"
    else:
        does = "finds nothing ready"
    return Sentence(f"`{call.name}` {does}{after}", slept)


def _failure(call: Call) -> Sentence:
    took_ns = duration_ns(call)
    if call.result != EAGAIN:
        where = "" if call.connection is None else " on connection {c}"
        ends = " The listening socket was shut down: the server ends." if call.name == "accept" else ""
        return Sentence(f"`{call.name}` fails{where}: {{r}}.{ends}", took_ns)
    if call.name == "accept":
        return Sentence("`accept` finds an empty backlog: EAGAIN, after {t}.", took_ns)
    if call.name in SENDS:
        return Sentence(f"`{call.name}` finds the send buffer of connection {{c}} full: EAGAIN, after {{t}}.", took_ns)
    if call.name in WAITS:
        return Sentence(f"`{call.name}` finds the queue empty: EAGAIN, after {{t}}.", took_ns)
    return Sentence(f"`{call.name}` finds no bytes of client {{c}}: EAGAIN, after {{t}}.", took_ns)


def duration_ns(call: Call) -> int:
    """Return how long a call took."""
    return call.end_ns - call.start_ns


def slept_ns(call: Call) -> int:
    """Return how long its thread slept in a call for the other side; by the stamp where the switches are not known."""
    occupancy = call.occupancy
    return call.waited_ns if occupancy is None else occupancy.asleep_ns
