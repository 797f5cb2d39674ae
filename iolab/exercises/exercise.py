"""An exercise, and its properties: what is asked, what that is worth, and how it is looked for."""

import random
from collections.abc import Callable
from dataclasses import dataclass

Look = Callable[[str, str, random.Random], str]
"""Look for a property of an answer that defines a name, on cases drawn; say what was seen, or raise Violated."""


PROGRAM_FOLLOWS = "\n\n# What follows is the judge's program.\n"
"""Stands between the learner's text and the program that is run on it, with names of its own."""


@dataclass(frozen=True)
class Property:
    """One property: its name in the report, what it is worth, and how it is looked for."""

    name: str
    points: int
    look: Look


@dataclass(frozen=True)
class Exercise:
    """One exercise: what the learner writes, and what is asked of it; all other properties build on the first."""

    name: str
    asks: str
    properties: tuple[Property, ...]
    entry: str = "serve"
    parameters: str = "listening, respond"
    begin: str = ""
    """What the learner begins with, where it is not a function without a body."""
    program: str = ""
    """What is run on the learner's text; it defines `serve`. Without one, the learner's function is called."""
    rings: bool = False
    """Whether it may be solved with io_uring, which does some things that the filter of calls does not see."""
    frees: bool = False
    """Whether the kernel may read what the answer has freed too early."""
    signals: bool = False
    """Whether it has to send signals, to processes that it started."""
    at_once: int = 6
    """Trials at the same time; a server that spins leaves no room for others."""

    @property
    def stub(self) -> str:
        """What the learner begins with."""
        function = f'def {self.entry}({self.parameters}):\n    """{self.asks}"""\n    raise NotImplementedError\n'
        return self.begin or function

    def complete(self, answer: str) -> tuple[str, str]:
        """Return an answer with the program that is run on it, and the name of the function to call."""
        return (answer + PROGRAM_FOLLOWS + self.program, "serve") if self.program else (answer, self.entry)

    def select(self, only: str | None) -> tuple[Property, ...]:
        """Return the properties to look for: all, or the first and the one of this name."""
        first, *others = self.properties
        return (first, *(each for each in others if only in (None, each.name)))
