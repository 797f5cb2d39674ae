"""What a drill is: a function with blanks, a check that runs it on real sockets, three hints, and a solution."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iolab.course.drills.attempt import Attempt, Wrong
from iolab.course.drills.streams import over_streams
from iolab.errors import UsageError

UNFILLED = "Fill in the blanks, then run this cell again."


@dataclass(frozen=True)
class Outcome:
    """What came of a try: `right` is None while there are blanks."""

    right: bool | None
    sentence: str


@dataclass(frozen=True)
class Drill:
    """A function that the learner completes; what stands in its place in the lesson has `...` for blanks."""

    takes: tuple[str, ...]
    """The names of its parameters."""
    check: Callable[[Attempt], str]
    """Call the function, play its peer, and say in a sentence what is right. Raise Wrong for what is not."""
    hints: tuple[str, str, str]
    """From a nudge to nearly everything."""
    solution: str
    asynchronous: bool = False
    """Whether it is written with `async def`, and takes a reader and a writer."""

    def run(self, function: Callable[..., Any], limit_s: float | None = None) -> Outcome:
        """Run a function through the check, in a bounded time. Raise UsageError for what is no function."""
        if not inspect.isfunction(function):
            raise UsageError(f"expected your function, by its name alone, not {function!r:.80}")
        if has_blanks(function):
            return Outcome(None, UNFILLED)
        if mismatch := _wrong_signature(self, function):
            return Outcome(False, mismatch)
        with Attempt(over_streams(function) if self.asynchronous else function, limit_s) as attempt:
            try:
                return Outcome(True, self.check(attempt))
            except Wrong as wrong:
                return Outcome(False, str(wrong))
            except OSError as error:  # whoever talks to a function that is gone is reset
                return Outcome(False, str(attempt.wrong(f"Then the connection broke: {error}.")))


def has_blanks(function: Callable[..., Any]) -> bool:
    """Return whether `...` still stands in the text of a function."""
    try:
        text = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # without a text, what is compiled has to do: `if ...` is not seen in it
        return ... in function.__code__.co_consts
    return any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(text))


def _wrong_signature(drill: Drill, function: Callable[..., Any]) -> str:
    expected = f"{function.__name__}({', '.join(drill.takes)})"
    try:
        inspect.signature(function).bind(*drill.takes)
    except TypeError:
        return f"It takes {inspect.signature(function)}, and should be {expected}."
    if drill.asynchronous and not inspect.iscoroutinefunction(function):
        return f"Write it with `async def`: {expected} is awaited."
    if not drill.asynchronous and (inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function)):
        return f"Write it with `def`, and without `await` or `yield`: {expected} is called as it stands."
    return ""
