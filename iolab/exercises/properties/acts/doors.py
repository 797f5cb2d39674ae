"""Acts of tasks that accept, beside errors that accept(2) lists."""

from typing import Any

CLIENTS = 20
"""Clients that have connected before a task accepts them."""


class Refusals:
    """Errors that accept(2) lists: `listening.accept()` raises three of them, one of them several times in a row."""

    ROW = 6

    def __init__(self, draw: Any, clients: int) -> None:
        import errno

        from iolab.listening import ListeningSocket

        network = ["EPROTO", "ENETDOWN", "ENOPROTOOPT", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "EOPNOTSUPP"]
        others = ["EPERM", "ETIMEDOUT", "ENOBUFS", "ENOMEM", "ENOSR"]
        names = draw.choice(network), *draw.sample(others, 2)
        times = draw.sample((self.ROW, 1, 1), 3)
        rows = [[name] * count for name, count in zip(names, times, strict=True)]
        self.due = dict(zip(draw.sample(range(clients), 3), rows, strict=True))
        self.refused_s: float | None = None
        self.rests_s: list[float] = []
        self.number_of = {name: getattr(errno, name) for name in names}
        self.place: Any = ListeningSocket
        self.accept, self.count, self.last = ListeningSocket.accept, 0, ""

    def __enter__(self) -> Any:
        self.place.accept = lambda listening: self.refuse_or_accept(listening)
        return self

    def __exit__(self, *_: object) -> None:
        self.place.accept = self.accept

    def refuse_or_accept(self, listening: Any) -> Any:
        """Raise what is due before this client, or return the client."""
        import time

        if self.refused_s is not None:
            self.rests_s.append(time.monotonic() - self.refused_s)
            self.refused_s = None
        if row := self.due.get(self.count):
            self.last, self.refused_s = row.pop(), time.monotonic()
            raise OSError(self.number_of[self.last], "the judge has `accept` fail")
        result = self.accept(listening)
        self.count += 1
        return result

    def rests_for_long(self) -> bool:
        """Return whether it rested for far more than 0.1 s, three times in a row; a busy machine may do so once."""
        threes = zip(self.rests_s, self.rests_s[1:], self.rests_s[2:], strict=False)
        return max(map(min, threes), default=0) > 0.3


def accepts(loop: Any, draw: Any, listening: Any, clients: int = CLIENTS, refusals_of: Any = Refusals) -> str:
    """Have one task accept many clients that are there, in spite of errors, and another one take turns meanwhile."""
    accepted: list[Any] = []
    turns, over = [0], []

    def accept() -> Any:
        try:
            while len(accepted) < clients:
                accepted.append((yield from loop.accept(listening)))
        finally:
            over.append(True)

    def take_turns() -> Any:
        while not over:
            turns.append(len(accepted))
            yield from loop.sleep(0)

    listening.setblocking(False)
    for task in draw.sample((accept(), take_turns()), 2):
        loop.spawn(task)
    with refusals_of(draw, clients) as refusals:
        loop.run()
    for connection in accepted:
        connection.close()
    if len(accepted) < clients:
        return f"`listening.accept()` raised an OSError ({refusals.last}), and `accept` did not go on after it"
    if refusals.rests_for_long():
        rests = ", ".join(f"{each:.1f}" for each in refusals.rests_s)
        return f"after errors of `listening.accept()`, `accept` rested for {rests} s: it may rest for 0.1 s each time"
    most = max(after - before for before, after in zip(turns, [*turns[1:], len(accepted)], strict=True))
    says = f"a task that slept 0 s had to wait for {most} calls of `accept` of another one, which never had to wait"
    return says if most > 12 else ""
