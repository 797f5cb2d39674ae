"""The line of a server's text that makes a call, found in the text: no line is recorded.

On a page of the course each call stands once. Where one stands twice, it is the first of a turn or a later one.
"""

import re
from collections.abc import Iterable, Iterator

from iolab.trace.calls import Call

LOOPS = (r"\.select\(", r"asyncio\.run\(", r"runner\.run\(", r"reactor\.run\(", r"uvloop\.run\(")
WRITTEN = {
    "epoll_wait": (r"\w\.poll\(", *LOOPS),
    "kevent": (r"\.control\(", *LOOPS),
    "poll": (r"\w\.poll\(", *LOOPS),
    "select": (r"[^.\w]select\(", r"select\.select\(", *LOOPS),
    "recv": (
        *(r"\.recv\(", r"\.recv_into\(", r"\.read\(", r"\.read_bytes\("),
        *(r"def data_received\(", r"def dataReceived\("),
    ),
    "received": (r"[^\w.]answer\(\w+, \w+\)$", r"respond\("),
    "send": (r"\.send\(", r"\.sendmsg\(", r"\.write\("),
    "sendall": (r"\.sendall\(",),
    "sent": (r"go_on\(\w+\)$", r"unsent\[\w+\]\[result:\]", r"operation == SEND:"),
    "accept": (r"\.accept\(", r"sock_accept\(", r"add_socket\("),
    "accepted": (r"accepting\.connection\(",),
    "close": (
        *(r"^\s*with connection:", r"connections\.pop\(.*\)\.close\(\)", r"\bconnection\.close\(\)"),
        *(r"\.abort\(\)", r"loseConnection\(\)", r"stream\.close\(\)"),
    ),
    "aio_read": (r"requests\.read\(",),
    "aio_write": (r"requests\.write\(",),
    "aio_suspend": (r"requests\.wait\(",),
    "io_uring_submit": (r"\.submit\(", r"\.submit_and_wait\("),
    "io_uring_enter": (r"\.submit_and_wait\(", r"ring\.wait\("),
    "reply": (r"[^\w]respond\(\w+\)",),
}
"""How a call is written, as patterns; the first that a text has is it."""


def lines_of(source: str, calls: Iterable[Call]) -> Iterator[int]:
    """Yield the line of each call, counted from 1; 0 where none is found."""
    before: dict[int, str] = {}
    places: dict[str, tuple[int, ...]] = {}
    for call in calls:
        if call.name not in places:
            places[call.name] = find(source, call.name)
        again = call.name == "sigtimedwait" and before.get(call.thread, "").startswith("sig")
        yield places[call.name][-1 if again else 0]
        before[call.thread] = call.name


def find(source: str, name: str) -> tuple[int, ...]:
    """Return the lines that make a call of this name; a 0 if there is none."""
    code = [line.partition("  #")[0].rstrip() for line in source.splitlines()]
    for pattern in WRITTEN.get(name, (rf"\b{name}\(",)):
        if places := [number for number, line in enumerate(code, 1) if re.search(pattern, line)]:
            return tuple(places)
    return (0,)
