"""An exercise, and its properties: what is asked, what that is worth, and how it is looked for."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from iolab.exercises.properties import nature
from iolab.exercises.trial import Trial

Look = Callable[[str, str, random.Random], str]
"""Look for a property of a text that defines a name, on cases drawn; say what was seen, or raise Violated."""


@dataclass(frozen=True)
class Property:
    """One property: its name in the report, what it is worth, and how it is looked for."""

    name: str
    points: int
    look: Look


@dataclass(frozen=True)
class Exercise:
    """One exercise: what the learner writes, and what is asked of it; the first property is asked for by all others."""

    name: str
    asks: str
    properties: tuple[Property, ...]
    entry: str = "serve"
    parameters: str = "listening, respond"
    begin: str = ""
    """What the learner begins with, where it is not a function without a body."""
    program: str = ""
    """What is run on the learner's text; it defines `serve`. Without one, the learner's function is called."""
    at_once: int = 6
    """Trials at the same time; a server that spins leaves no room for others."""

    @property
    def stub(self) -> str:
        """What the learner begins with."""
        function = f'def {self.entry}({self.parameters}):\n    """{self.asks}"""\n    raise NotImplementedError\n'
        return self.begin or function

    def wanted(self, only: str | None) -> tuple[Property, ...]:
        """Return the properties to look for: all, or the first and the one of this name."""
        first, *others = self.properties
        return (first, *(each for each in others if only in (None, each.name)))


GROWTH = 100
"""Bytes of reply to a byte of a request, where much is to be owed."""


def served(name: str, points: int, look: Callable[[Trial], str], factor: int = 1, **limits: int) -> Property:
    """Return a property of a server; `factor` bytes of reply are due to a byte of a request."""

    def run(text: str, entry: str, draw: random.Random) -> str:
        with Trial(text, entry, draw, factor=factor, limits=limits) as trial:
            return look(trial)

    return Property(name, points, run)


def model(name: str, waits_in: str, also: str = "", *, one_thread: bool = True, watches: bool = False) -> Property:
    """Return the property of being a server of a model.

    It is seen in one of the calls that it waits in, and else in none but those that it may
    wait in also; without any, it never waits.
    """
    must = frozenset(waits_in.split())
    asked = nature.Model(name, must | frozenset(also.split()), must, one_thread, watches)
    return served("the model", 3, nature.keeps_to(asked), GROWTH)
