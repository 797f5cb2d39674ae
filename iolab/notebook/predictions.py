"""Predict, then run: the learner commits a guess, and the measurement scores it."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets

from iolab import progress
from iolab.errors import UsageError
from iolab.notebook.controls import LABELLED, bundle, with_slider

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
        """Record the guess; the last one before the measurement counts. Raise UsageError for what cannot be one."""
        if not self.allows(guess):
            expected = (
                f"one of {list(self.choices)}" if self.choices else f"a number{f' of {self.unit}' * bool(self.unit)}"
            )
            raise UsageError(f"the guess {guess!r} is not {expected}")
        self.guess = guess
        progress.record("guesses", self.key, guess)

    def allows(self, guess: object) -> bool:
        """Return whether this can be a guess: one of the choices, or a number."""
        if self.choices:
            return guess in self.choices
        return isinstance(guess, (int, float)) and math.isfinite(guess)

    def score(self, measured: str | float) -> "Score":
        """Compare the guess with what was measured, and record both."""
        if self.choices and measured not in self.choices:
            raise UsageError(f"the answer {measured!r} is not one of {list(self.choices)}")
        score = Score(self, measured)
        progress.record("scores", self.key, {"guess": self.guess, "measured": measured, "right": score.right})
        return score

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return bundle(question_box(self), str(self))

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
        yours = "" if guess is None else f" Your guess: {self._with_unit(guess)}."
        return f"{verdict}{yours} Measured: {self._with_unit(self.measured)}."

    def _repr_markdown_(self) -> str:
        verdict, rest = str(self).split(". ", 1)
        return f"**{verdict}.** {rest}"

    def _with_unit(self, value: str | float) -> str:
        return value if isinstance(value, str) else f"{value:,.3g} {self.prediction.unit}".strip()


def question_box(prediction: Prediction) -> Any:
    """Return the question above the control that answers it; what is set there is committed."""
    control = choice_buttons(prediction) if prediction.choices else number_slider(prediction)
    control.observe(lambda change: prediction.commit(change["new"]), names="value")
    question = ipywidgets.HTML(f"<b>{html.escape(prediction.question)}</b>")
    return ipywidgets.VBox([question, control if prediction.choices else _number_field(prediction, control)])


def choice_buttons(prediction: Prediction) -> Any:
    """Return a button for each choice."""
    return ipywidgets.RadioButtons(
        options=list(prediction.choices),
        value=prediction.guess,
        layout={"width": "max-content"},
        tooltip=prediction.question,
    )


def number_slider(prediction: Prediction) -> Any:
    """Return a slider over the decades from the lowest number to the highest."""
    return ipywidgets.FloatLogSlider(
        value=prediction.guess or prediction.low,
        min=math.log10(prediction.low),
        max=math.log10(prediction.high),
        step=0.1,
        readout=False,
        layout={"width": "24rem"},
        continuous_update=False,
        tooltip=prediction.question,
    )


def _number_field(prediction: Prediction, slider: Any) -> Any:
    field = ipywidgets.BoundedFloatText(
        value=slider.value,
        min=prediction.low,
        max=prediction.high,
        description=prediction.unit or "number",
        style=LABELLED,
        layout={"width": "16rem"},
        tooltip=prediction.question,
    )
    return with_slider(field, slider, "value", transform=(float, lambda value: float(f"{value:.3g}")))


def predict(
    key: str, question: str, choices: Sequence[str] = (), *, low: float = 1.0, high: float = 1e6, unit: str = ""
) -> Prediction:
    """Ask the learner to commit a guess before the measurement: one of the choices, or a number.

    Without a browser to click in, the guess stays None, and the lesson runs on.
    A guess made earlier is taken from the progress file.
    """
    asked = Prediction(key, question, tuple(choices), low, high, unit)
    earlier = progress.section(progress.read(), "guesses").get(key)
    asked.guess = earlier if asked.allows(earlier) else None
    return asked
