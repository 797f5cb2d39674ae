"""The drills of lesson 07: a loop that gives everybody a turn, the step of a task, and patience with a limit."""

from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import wraps
from typing import Any

from iolab.course.drills.attempt import Attempt
from iolab.course.drills.drill import Drill

LIMIT_S = 0.3
"""How long a line may take in the third drill."""


def visit(name: str, stops: int) -> Generator[str, None, str]:
    """Stop so many times, and return a last word."""
    for stop in range(1, stops + 1):
        yield f"{name}, stop {stop}"
    return f"{name} has paid"


PARTIES: dict[tuple[tuple[str, int], ...], list[str]] = {
    (("Ada", 1),): ["Ada, stop 1", "Ada has paid"],
    (("Ada", 2), ("Bo", 1)): ["Ada, stop 1", "Bo, stop 1", "Ada, stop 2", "Bo has paid", "Ada has paid"],
    (("Ada", 0), ("Bo", 1)): ["Ada has paid", "Bo, stop 1", "Bo has paid"],
}
"""Who visits, with how many stops; and what is heard if everybody has a turn."""


def check_turns(attempt: Attempt) -> str:
    """Send three parties to the loop, and compare what it hears."""
    for party, expected in PARTIES.items():
        attempt.story = f"{' and '.join(f'{name} (stops {stops} times)' for name, stops in party)} came in."
        heard = attempt.call([visit(name, stops) for name, stops in party])
        if heard is None:
            raise attempt.wrong("Your function returned None: is the `return` missing?")
        if heard != expected:
            raise attempt.wrong(f"Your loop heard {heard!r}. In turns it would be {expected!r}.")
    return "Everybody had a turn, each went on where it had stopped, and the last words were heard, too."


class Future:
    """A result that is not there yet, as in the lesson."""

    def __init__(self) -> None:
        self.done = False
        self.result: Any = None
        self.callbacks: list[Callable[[], Any]] = []

    def set_result(self, result: Any) -> None:
        """Bring the result, and call back whoever waits for it."""
        self.done, self.result = True, result
        for callback in self.callbacks:
            callback()

    def __await__(self) -> Generator["Future", None, Any]:
        """Yield the future itself while there is no result."""
        if not self.done:
            yield self
        return self.result


class Task(Future):
    """A future of what a coroutine returns; the attempt's function takes its steps."""

    def __init__(self, attempt: Attempt, coroutine: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self.coroutine, self.in_step = coroutine, False

        @wraps(attempt.function)
        def step() -> Any:
            if self.in_step:
                raise RuntimeError("a step was called inside of a step: hand over `task.step`, without calling it")
            return attempt.function(self)

        self.step = step


async def add(first: Future, second: Future) -> int:
    """Wait for two numbers, and add them up."""
    total: int = await first + await second
    return total


def check_step(attempt: Attempt) -> str:
    """Step a task to its first await that has to wait, bring the result, and step it to its end."""
    first, second = Future(), Future()
    second.set_result(2)
    task = Task(attempt, add(first, second))
    try:
        return _two_steps(attempt, task, first)
    finally:
        task.coroutine.close()


def _two_steps(attempt: Attempt, task: Task, first: Future) -> str:
    attempt.story = "A task awaits a future without a result."
    task.in_step = True
    attempt.call(task)
    task.in_step = False
    if len(first.callbacks) != 1 or not callable(first.callbacks[0]):
        raise attempt.wrong(
            f"After your step its `callbacks` are {first.callbacks!r}; "
            "`task.step` belongs there, or nobody goes on when the result comes."
        )
    if task.done:
        raise attempt.wrong(f"Your step gave the task a result, {task.result!r}, before its coroutine had returned.")
    attempt.story = "Then the future got its result, 40, and called back; the next one had its result, 2, already."
    with Attempt(first.callbacks[0], attempt.left_s) as second_step:
        second_step.story = attempt.story
        first.done, first.result = True, 40
        second_step.call()
    _expect_result(attempt, task)
    return "One step to the future that had to be waited for, one step to the end, and the task's result is 42."


def _expect_result(attempt: Attempt, task: Task) -> None:
    if not task.done or task.result != 42:
        seen = repr(task.result) if task.done else "nothing"
        raise attempt.wrong(f"The coroutine returned 42, and the result of the task is {seen}.")


def check_line(attempt: Attempt) -> str:
    """Send two lines in pieces, and then one that never ends, byte by byte."""
    server, client = attempt.pair()
    attempt.begin(server)
    for pieces, reply in (((b"ab", b"c\n"), b"ABC\n"), ((b"d\n",), b"D\n")):
        sent = b"".join(pieces)
        attempt.story = f"The client sent {sent!r}."
        for piece in pieces:
            client.sendall(piece)
        if (received := attempt.receive(client, len(reply))) != reply:
            raise attempt.wrong(f"It was owed {reply!r}, and got {received!r}.")

    def drip() -> None:
        with suppress(OSError):  # the connection was closed, as it should be
            client.send(b"x")

    attempt.story = "Then the client sent one byte after another, and never the end of a line."
    attempt.until(drip)
    if attempt.time_is_up:
        raise attempt.wrong(
            f"After {attempt.limit_s:g} s your coroutine was still waiting. "
            "The time-out has to hold for the whole line, not for each of its pieces."
        )
    writer = attempt.result()
    if not writer.closed:
        raise attempt.wrong("Your coroutine returned without `writer.close()`.")
    if not writer.drained:
        raise attempt.wrong(
            "Both lines were answered, but your coroutine never awaited `writer.drain()` after its last `write`. "
            "What a client does not take would stay in your memory."
        )
    return "Two lines were answered, and a client that never finished its line was left after the time-out."


DRILLS = {
    "07-turns": Drill(
        ("coroutines",),
        check_turns,
        (
            "Whoever is taken from the front of the queue goes on a little, and then stands at the end of it again. "
            "Who does not stand there again?",
            "`coroutine.send(None)` returns what the next `yield` hands out. At the end it raises `StopIteration`; "
            "the last word is the `value` of that exception.",
            "The blanks, in order: `coroutine.send(None)`, `coroutine`, `StopIteration`, `end.value`.",
        ),
        """\
def in_turns(coroutines):
    queue, heard = list(coroutines), []
    while queue:
        coroutine = queue.pop(0)
        try:
            heard.append(coroutine.send(None))
            queue.append(coroutine)
        except StopIteration as end:
            heard.append(end.value)
    return heard
""",
    ),
    "07-step": Drill(
        ("task",),
        check_step,
        (
            "It is one turn of your loop, but nobody stands in a queue. Who has to remember the task until it can go "
            "on?",
            "`task.coroutine.send(None)` returns the future that has to be waited for. Whoever brings its result calls "
            "all its `callbacks`; and when the coroutine returns, `send` raises `StopIteration`.",
            "The blanks, in order: `task.coroutine.send(None)`, `end.value`, `task.step`.",
        ),
        """\
def step(task):
    try:
        future = task.coroutine.send(None)
    except StopIteration as end:
        task.set_result(end.value)
    else:
        future.callbacks.append(task.step)
""",
    ),
    "07-line": Drill(
        ("reader", "writer"),
        check_line,
        (
            "What does a client have to finish in time: each of its pieces, or the whole line?",
            "`reader.readline()` waits for a whole line, `writer.drain()` until the client has taken its reply. What "
            "waits in an `asyncio.timeout(seconds)` is cancelled when the time is up; then the block raises "
            "`TimeoutError`.",
            f"The blanks, in order: `{LIMIT_S}`, `reader.readline()`, `writer.drain()`, `TimeoutError`.",
        ),
        f"""\
async def answer_lines(reader, writer):
    try:
        while True:
            async with asyncio.timeout({LIMIT_S}):
                line = await reader.readline()
            if not line:
                break
            writer.write(line.upper())
            await writer.drain()
    except TimeoutError:
        pass
    writer.close()
""",
        asynchronous=True,
    ),
}
