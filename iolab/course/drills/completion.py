"""The drills of lesson 06: what to order once something is done, and what to do about a send that fell short."""

import socket
from errno import ECONNRESET

from iolab.course.drills.attempt import SETTLE_S, Attempt
from iolab.course.drills.drill import Drill
from iolab.kernel import aio
from iolab.replies import upper
from iolab.traffic.faults import reset

Order = tuple[str, int] | tuple[str, int, bytes]


class Orders(aio.Requests):
    """Requests that write down what was ordered; a function that still waits for one ends before they do."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self._attempt = attempt
        self._orders: list[Order] = []

    def read(self, descriptor: int, size_bytes: int) -> None:
        """Order a read, and write it down."""
        super().read(descriptor, size_bytes)
        self._orders.append(("read", descriptor))

    def write(self, descriptor: int, data: bytes) -> None:
        """Order a write, and write it down."""
        super().write(descriptor, data)
        self._orders.append(("write", descriptor, data))

    def expect(self, *expected: Order) -> None:
        """Raise Wrong unless just this was ordered since the last time."""
        orders, self._orders = self._orders, []
        if orders != [*expected]:
            raise self._attempt.wrong(f"Then your function should order {_tell(expected)}; it ordered {_tell(orders)}.")

    def __exit__(self, *failure: object) -> None:
        if any(failure):
            self._attempt.ends_when_stopped(SETTLE_S)
        super().__exit__()


def _tell(orders: list[Order] | tuple[Order, ...]) -> str:
    names = {"read": "a read from {}", "write": "a write of {1!r} to {0}"}
    return ", and ".join(names[name].format(*rest) for name, *rest in orders) or "nothing"


def check_turn(attempt: Attempt) -> str:
    """Have one client silent, one ask, get its reply, ask again, and leave, and one reset."""
    if reason := aio.why_not():
        return f"It could not be tried: {reason}."
    (silent, _), (busy, client), (broken, rude) = attempt.pair(), attempt.pair(), attempt.pair()
    connections, replying = {each.fileno(): each for each in (silent, busy, broken)}, set[int]()
    descriptor, failing = busy.fileno(), broken.fileno()
    with Orders(attempt) as requests:
        for each in connections:
            requests.read(each, 65536)
        requests.expect(*(("read", each) for each in connections))

        def turn(story: str, *expected: Order) -> None:
            attempt.story = story
            attempt.call(requests, connections, replying, upper)
            requests.expect(*expected)

        for request in (b"abc", b"de"):
            client.sendall(request)
            turn(f"The read from {descriptor} brought {request!r}.", ("write", descriptor, upper(request)))
            turn(f"The write to {descriptor} was done.", ("read", descriptor))
        client.shutdown(socket.SHUT_WR)
        turn(f"The read from {descriptor} brought b''.")
        if descriptor in connections or busy.fileno() >= 0:
            raise attempt.wrong("Your function did not drop and close that connection.")
        reset(rude)
        turn(f"The read from {failing} failed: its result was {-ECONNRESET}, a reset.")
        if failing in connections or broken.fileno() >= 0:
            raise attempt.wrong("Your function did not drop and close that connection.")
    return "One client asked twice and left, one reset. The third said nothing, and nobody waited for it."


def check_rest(attempt: Attempt) -> str:
    """Say that two of six bytes were sent, and then the others."""
    if reason := aio.why_not():
        return f"It could not be tried: {reason}."
    server, client = attempt.pair()
    descriptor, unsent = server.fileno(), {server.fileno(): b"abcdef"}
    with Orders(attempt) as requests:
        attempt.story = "Of b'abcdef' two bytes were sent."
        attempt.call(requests, unsent, descriptor, 2)
        requests.expect(("write", descriptor, b"cdef"))
        if unsent != {descriptor: b"cdef"}:
            raise attempt.wrong(f"Your function left {unsent} in `unsent`.")
        requests.wait()
        attempt.story = "Then the other four were sent."
        attempt.call(requests, unsent, descriptor, 4)
        requests.expect(("read", descriptor))
        if unsent:
            raise attempt.wrong(f"Your function left {unsent} in `unsent`, as if a write were still on order.")
        client.shutdown(socket.SHUT_WR)
        requests.wait()
    return "The rest was ordered, and after it the next read."


DRILLS = {
    "06-turn": Drill(
        ("requests", "connections", "replying", "respond"),
        check_turn,
        (
            "A connection has one thing on order at a time. What is done, and so what comes next?",
            "After a reply was sent comes the next request: `requests.read(descriptor, 65536)`. When bytes came, they "
            "are in `received`, and what is ordered is the reply that `respond` makes of them.",
            "The blanks, in order: `requests.read(descriptor, 65536)`, `received`, `respond(received)`.",
        ),
        """\
def go_on(requests, connections, replying, respond):
    for descriptor, result, received in requests.wait():
        if descriptor in replying:
            replying.remove(descriptor)
            requests.read(descriptor, 65536)
        elif received:
            replying.add(descriptor)
            requests.write(descriptor, respond(received))
        else:
            connections.pop(descriptor).close()
""",
    ),
    "06-rest": Drill(
        ("requests", "unsent", "descriptor", "result"),
        check_rest,
        (
            "`result` is how many bytes were sent. What is left of those that were on order?",
            "`unsent[descriptor][result:]` is the rest. While there is one, order a write of it; else nothing is "
            "owed, and the next request may come.",
            "The blanks, in order: `unsent.pop(descriptor)[result:]`, `rest`, `requests.write(descriptor, rest)`.",
        ),
        """\
def after_write(requests, unsent, descriptor, result):
    rest = unsent.pop(descriptor)[result:]
    if rest:
        unsent[descriptor] = rest
        requests.write(descriptor, rest)
    else:
        requests.read(descriptor, 65536)
""",
    ),
}
