"""Predict, then run: the learner commits a guess, and the measurement scores it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from iolab import progress
from iolab.errors import UsageError

CLOSE = 2.0
"""A guessed number counts as close within this factor of the measured one."""


@dataclass
class Prediction:
    """A question, the answers to choose from, and the learner's guess (None until there is one)."""

    key: str
    question: str
    choices: Sequence[str] = ()
    low: float = 1.0
    high: float = 1e6
    unit: str = ""
    guess: str | float | None = field(default=None)

    def commit(self, guess: str | float) -> None:
        """Record the guess; the last one before the measurement counts. Raise UsageError for one that is none."""
        if not self.allows(guess):
            expected = f"none of {list(self.choices)}" if self.choices else f"no number of {self.unit or 'anything'}"
            raise UsageError(f"the guess {guess!r} is {expected}")
        self.guess = guess
        progress.record("guesses", self.key, guess)

    def allows(self, guess: object) -> bool:
        """Say whether this can be a guess: one of the choices, or a number."""
        if self.choices:
            return guess in self.choices
        return isinstance(guess, (int, float)) and math.isfinite(guess)

    def score(self, measured: str | float) -> "Score":
        """Hold the guess against what was measured, and record both."""
        if self.choices and measured not in self.choices:
            raise UsageError(f"the answer {measured!r} is none of {list(self.choices)}")
        score = Score(self, measured)
        progress.record("scores", self.key, {"guess": self.guess, "measured": measured, "right": score.right})
        return score

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from iolab.notebook import widgets

        return widgets.question(self)

    def __str__(self) -> str:
        answers = " / ".join(self.choices) or f"a number of {self.unit} from {self.low:g} to {self.high:g}"
        return f"{self.question} ({answers})"


@dataclass(frozen=True)
class Score:
    """A guess beside what was measured."""

    prediction: Prediction
    measured: str | float

    @property
    def right(self) -> bool | None:
        """Whether the guess was right, or within a factor of two; None without a guess."""
        guess, measured = self.prediction.guess, self.measured
        if guess is None:
            return None
        if isinstance(guess, str) or isinstance(measured, str):
            return guess == measured
        return bool(measured / CLOSE <= guess <= measured * CLOSE)  # numpy has a bool of its own

    def __str__(self) -> str:
        verdict = {None: "You made no guess.", True: "You were right.", False: "You were not."}[self.right]
        guess = self.prediction.guess
        guessed = "" if guess is None else f" Your guess: {self._written(guess)}."
        return f"{verdict}{guessed} Measured: {self._written(self.measured)}."

    def _repr_markdown_(self) -> str:
        verdict, rest = str(self).split(". ", 1)
        return f"**{verdict}.** {rest}"

    def _written(self, value: str | float) -> str:
        return value if isinstance(value, str) else f"{value:,.3g} {self.prediction.unit}".strip()


def predict(
    key: str, question: str, choices: Sequence[str] = (), *, low: float = 1.0, high: float = 1e6, unit: str = ""
) -> Prediction:
    """Ask the learner to commit a guess before the measurement: one of the choices, or a number.

    Without a choice to click (a run with no browser) the guess stays None, and the lesson runs on.
    A guess made earlier is taken from the progress file.
    """
    asked = Prediction(key, question, tuple(choices), low, high, unit)
    earlier = progress.section(progress.read(), "guesses").get(key)
    asked.guess = earlier if asked.allows(earlier) else None
    return asked
