"""Acts of tasks that raise SystemExit while others do not simply end."""

from typing import Any


class Leaver:
    """One round of `exits`: tasks in every state, which will not simply end, and one that raises SystemExit."""

    def __init__(self, loop: Any, draw: Any, cause: str) -> None:
        import socket

        self.loop, self.draw, self.cause = loop, draw, cause
        self.exits: list[BaseException] = []
        self.pairs = [socket.socketpair() for _ in range(3)]
        self.tasks: list[Any] = []
        for one, _ in self.pairs:
            one.setblocking(False)

    def leave(self, says: str) -> None:
        """Raise SystemExit, and take note of it."""
        self.exits.append(SystemExit(says))
        raise self.exits[-1]

    def refuse(self, number: int) -> Any:
        """Do what a task may do in its `finally`: wait, send, have a child, leave itself, raise, or never end."""
        if number == 0:
            yield from self.loop.sleep(self.draw.choice((0, 3600)))
        elif number == 1:
            yield from self.loop.send(self.pairs[2][0], b"one last word")
        elif number == 2:
            self.loop.spawn(self.wait(0, 3))
        elif number == 3:
            self.leave("a task of the judge's leaves because it is closed")
        elif number == 4:
            raise self.draw.choice((ValueError, KeyboardInterrupt, GeneratorExit))("raised as the task is closed")
        while number == 5:
            yield from self.loop.sleep(0)

    def wait(self, state: int, number: int) -> Any:
        """Wait for what does not come."""
        try:
            if state == 0:
                yield from self.loop.sleep(3600)
            elif state == 1:
                yield from self.loop.recv(self.pairs[0][0], 100)
            elif state == 2:
                yield from self.loop.send(self.pairs[1][0], bytes(1 << 22))
            while True:
                yield from self.loop.sleep(0)
        finally:
            yield from self.refuse(number)

    def end(self) -> Any:
        """Wait until all others do, and raise SystemExit; the other one that does is not waited for."""
        yield from self.loop.sleep(0.003)
        if self.cause == "recv":
            self.pairs[2][1].send(b"leave")
            yield from self.loop.recv(self.pairs[2][0], 100)
        elif self.cause == "error":
            self.pairs[2][1].close()
            try:
                yield from self.loop.send(self.pairs[2][0], b"to one that is gone")
            except OSError:
                self.leave("a task of the judge's leaves when the other side has gone")
        elif self.cause == "child":
            self.loop.spawn(self.end_at_once())
            yield from self.loop.sleep(3600)
        self.leave("a task of the judge's leaves")

    def end_at_once(self) -> Any:
        """Raise SystemExit before it waits for anything."""
        yield from ()
        self.leave("a task of the judge's leaves at once")

    def run(self) -> str:
        """Run the loop, and say what is wrong with how it ended."""
        numbers = self.draw.sample(range(6), 5)
        self.tasks = [self.wait(state, number) for state, number in zip((0, 1, 2, 3, 3), numbers, strict=True)]
        for task in self.draw.sample([*self.tasks, self.end(), self.end()], 7):
            self.loop.spawn(task)
        says = "a task raised SystemExit while others waited, and `run` returned"
        try:
            self.loop.run()
        except BaseException as error:
            leaves = [error]
            for each in leaves:
                leaves += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
            if any(each is self.exits[0] for each in leaves if self.exits):
                return ""
            kind = "another SystemExit" if isinstance(error, SystemExit) else type(error).__name__
            says = f"a task raised SystemExit while others waited, and `run` raised {kind} in place of it"
        return says


def exits(loop: Any, draw: Any, leaver_of: Any = Leaver) -> str:
    """Have a task raise SystemExit for every cause, while others wait, are ready, and do much when they are closed."""
    import sys

    sys.unraisablehook = lambda _: None  # of tasks that refuse when they are forgotten
    for cause in draw.sample(("sleep", "recv", "error", "child"), 4):
        leaver = leaver_of(type(loop)(), draw, cause)
        if says := leaver.run():
            return str(says)
    return ""
