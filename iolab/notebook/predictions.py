"""Predict, then run: the learner commits a guess, the measurement scores it, and from then on it is locked.

Until the score a guess can be changed, or one who chooses with the arrow keys could not choose. After
it the first guess is what counts, in every later run of the lesson.
"""

import math
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ipywidgets

from iolab import progress
from iolab.display.html import as_html, card, fold, note, prose
from iolab.errors import UsageError, guard
from iolab.notebook.controls import busy_note, present, status
from iolab.traffic.workload import Limits

CLOSE = 2.0
"""A guessed number counts as close within this factor of the measured one."""

BUSY = "A cell is running: a guess is saved when it has ended."

Guess = str | float


@dataclass(repr=False)
class Prediction:
    """A question, the answers to choose from, and the learner's guess (None until there is one)."""

    key: str
    question: str
    choices: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By choice: why it tempts, and why it is wrong."""
    bounds: Sequence[float] = ()
    """Where one choice ends and the next begins, for choices that are ranges of what is measured."""
    low: float = 1.0
    high: float = 1e6
    unit: str = ""
    close: float = CLOSE
    guess: Guess | None = None
    locked: bool = False
    """Whether the guess has been scored."""
    receipt: str = ""
    """What became of the last guess in the progress file."""
    on_change: list[Callable[[], None]] = field(default_factory=list)
    """What to call after a guess or a score: the controls that show them."""

    def commit(self, guess: Guess) -> None:
        """Record the guess. Raise UsageError for what cannot be one, and once the guess has been scored."""
        if self.locked:
            raise UsageError(f"this question has been scored; your first guess counts: {self.write(self.guess)}")
        if not self.allows(guess):
            raise UsageError(f"the guess {guess!r} is not {self._expected}")
        self.guess = guess
        self.receipt = progress.record("guesses", self.key, guess)
        self._tell()

    def allows(self, guess: object) -> bool:
        """Return whether this can be a guess: one of the choices, or a number between the lowest and the highest."""
        if self.choices:
            return guess in self.choices
        return isinstance(guess, (int, float)) and self.low <= guess <= self.high

    def score(self, measured: Guess, *evidence: Any, seen: str = "") -> "Score":
        """Compare the guess with what was measured, lock it, and record both; `seen` is the figure behind it.

        Of choices with bounds, a number is enough: it belongs to one of them, and is the figure behind it.
        Figures, tables and lines of text that answer the question are its `evidence`: they stand above the
        score, or folded in it as long as there is no guess.
        """
        if self.bounds and not isinstance(measured, str):
            measured, seen = self.choices[bisect(self.bounds, measured)], seen or self.write(measured)
        score = Score(self, measured, evidence, seen)
        if score.right is not None and not self.locked:
            outcome = {"guess": self.guess, "measured": measured, "right": score.right}
            progress.record("scores", self.key, outcome)
            self.locked = True
            self._tell()
        return score

    def write(self, value: Guess | None) -> str:
        """Return an answer as text, with its unit."""
        if value is None or isinstance(value, str):
            return str(value)
        digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        return f"{digits} {self.unit}".strip()

    @property
    def _expected(self) -> str:
        if self.choices:
            return f"one of {list(self.choices)}"
        return f"a number{f' of {self.unit}' * bool(self.unit)} from {self.low:,g} to {self.high:,g}"

    def _tell(self) -> None:
        for tell in self.on_change:
            tell()

    def _ipython_display_(self) -> None:
        present(question_box(self), str(self), question_text(self))

    def __str__(self) -> str:
        return f"{self.question} ({' / '.join(self.choices) or self._expected})"

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Score:
    """A guess beside what was measured."""

    prediction: Prediction
    measured: Guess
    evidence: tuple[Any, ...] = ()
    seen: str = ""

    @property
    def right(self) -> bool | None:
        """Whether the guess was right, or a number close enough; None without a guess, or if no choice was right."""
        guess, factor = self.prediction.guess, self.factor
        if guess is None or self.is_none_of_them:
            return None
        if factor is None:
            return guess == self.measured
        return max(factor, 1 / factor) <= self.prediction.close

    @property
    def is_none_of_them(self) -> bool:
        """Whether what was measured is among no choices: a machine may do what nobody thought of."""
        return bool(self.prediction.choices) and self.measured not in self.prediction.choices

    @property
    def factor(self) -> float | None:
        """By how much a guessed number is too high; None where there is no such factor."""
        guess, measured = self.prediction.guess, self.measured
        if guess is None or isinstance(guess, str) or isinstance(measured, str) or measured <= 0 or guess <= 0:
            return None
        return float(guess / measured)  # numpy has a float of its own

    @property
    def verdict(self) -> str:
        """What the measurement says of the guess, in a few words."""
        if self.is_none_of_them:
            return "None of the choices, this time. Run the cell again."
        if self.right is None:
            return "Guess first, then run this cell again."
        if self.factor is None:
            return "You were right." if self.right else "Not what was measured."
        way = "too low" if self.factor < 1 else "too high"
        times = times_text(max(self.factor, 1 / self.factor))
        if times == "1.0":
            return "Spot on."
        return f"Close: {times} times {way}." if self.right else f"{times} times {way}."

    @property
    def comparison(self) -> str:
        """The guess, if there is one, and the measurement."""
        prediction = self.prediction
        seen = f" ({self.seen})" if self.seen else ""
        measured = f"Measured: {prediction.write(self.measured)}{seen}."
        return measured if prediction.guess is None else f"You guessed {prediction.write(prediction.guess)}. {measured}"

    @property
    def lesson(self) -> str:
        """Why a wrong choice tempts, and why it is wrong."""
        guess = self.prediction.guess
        return self.prediction.reasons.get(str(guess), "") if self.right is False else ""

    def __str__(self) -> str:
        if self.right is None and not self.is_none_of_them:
            return self.verdict
        return " ".join(filter(None, (self.verdict, self.comparison, self.lesson)))

    __repr__ = __str__

    def _ipython_display_(self) -> None:
        from IPython.display import display  # a lesson has it; importing the package must not need it

        if self.prediction.guess is not None:
            for each in self.evidence:
                print(each) if isinstance(each, str) else display(each)
        display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)

    def _repr_html_(self) -> str:
        tone = {None: "open", True: "right", False: "wrong"}[self.right]
        first = f"<b>{prose(self.verdict)}</b>"
        if self.right is None:
            hidden = self.evidence if self.prediction.guess is None else ()
            inside = prose(self.comparison) + "".join(map(as_html, hidden))
            return card(tone, first, fold("Show what was measured", inside))
        return card(tone, f"{first} {prose(self.comparison)}", prose(self.lesson), self._others())

    def _others(self) -> str:
        """Return the other choices with their reasons, folded, for a learner who was right."""
        others = {name: why for name, why in self.prediction.reasons.items() if name != self.measured}
        if not self.right or not others:
            return ""
        rows = "".join(f"<li><b>{prose(name)}</b>: {prose(why)}</li>" for name, why in others.items())
        return fold("Why not the others?", f"<ul>{rows}</ul>")


def times_text(factor: float) -> str:
    """Return a factor as one would say it: 2.4, 12, 1,300."""
    return f"{factor:.1f}" if factor < 9.95 else f"{float(f'{factor:.2g}'):,.0f}"


def question_text(prediction: Prediction) -> str:
    """Return the question and its answers as HTML for a page without a kernel."""
    items = "".join(f"<li>{prose(choice)}</li>" for choice in prediction.choices)
    answers = f"<ul>{items}</ul>" if items else prose(f"Your guess: {prediction._expected}.")
    return card("open", f"<b>{prose(prediction.question)}</b>", answers)


def question_box(prediction: Prediction) -> Any:
    """Return the question above the control that answers it, and below it the receipt."""
    control = choice_buttons(prediction) if prediction.choices else number_field(prediction)
    question = ipywidgets.HTML(f"<b>{prose(prediction.question)}</b>")
    line = ipywidgets.HTML()

    def show(refusal: str = "") -> None:
        control.disabled = prediction.locked
        line.value = status(note(refusal) if refusal else receipt(prediction))

    def answer(change: Any) -> None:
        try:
            prediction.commit(read_answer(prediction, change["new"]))
        except UsageError as error:
            show(f"Not saved: {error}.")

    control.observe(answer, names="value")
    prediction.on_change[:] = [show]  # the box that was shown last is the one in view
    show()
    box = ipywidgets.VBox([question, control, line, busy_note(BUSY)])
    box.add_class("iolab-question")
    return box


def receipt(prediction: Prediction) -> str:
    """Return what became of the guess, as HTML."""
    guess = prose(prediction.write(prediction.guess))
    if prediction.locked:
        return f"<b>Locked:</b> {guess}. It has been scored, and your first guess is what counts."
    if prediction.guess is None:
        return note(progress.trouble() or "Your guess is saved as soon as you make it.")
    if not prediction.receipt.startswith(progress.SAVED):
        return note(prediction.receipt)
    rest = prediction.receipt.removeprefix(progress.SAVED)
    return f"<b>✓ Saved:</b> {guess}. You can change it until it is scored.{prose(rest)}"


def choice_buttons(prediction: Prediction) -> Any:
    """Return a button for each choice; none is chosen until the learner chooses."""
    return ipywidgets.RadioButtons(
        options=list(prediction.choices),
        value=prediction.guess,
        layout={"width": "max-content"},
        tooltip=prediction.question,
    )


def number_field(prediction: Prediction) -> Any:
    """Return a field for a number; it is empty until the learner writes one."""
    return ipywidgets.Text(
        value="" if prediction.guess is None else f"{prediction.guess:g}",
        placeholder=f"{prediction.low:,g} to {prediction.high:,g}, then Enter",
        description=prediction.unit or "number",
        style={"description_width": "initial"},
        layout={"width": "20rem"},
        continuous_update=False,
        tooltip=prediction.question,
    )


def read_answer(prediction: Prediction, value: str) -> Guess:
    """Return what a control holds as a guess: the choice, or the number in the text, if there is one."""
    if prediction.choices:
        return value
    try:
        number = float(value.replace(prediction.unit, "").replace(",", "").replace("_", ""))
    except ValueError:
        return value  # and the refusal quotes it
    return number if math.isfinite(number) else value


@guard
def predict(
    key: str,
    question: str,
    choices: Mapping[str, str] | Sequence[str] = (),
    *,
    bounds: Sequence[float] = (),
    low: float = 1.0,
    high: float = 1e6,
    unit: str = "",
    close: float = CLOSE,
) -> Prediction:
    """Ask the learner to commit a guess before the measurement: one of the choices, or a number.

    Choices are best a dict: each with the sentence that answers one who chose it, and was wrong. A
    number is right within the factor `close`. Choices that are ranges have `bounds`, one between each
    two, in rising order; then the score takes the number that was measured. Without a browser to click
    in, the guess stays None, and the lesson runs on. A guess made earlier is taken from the progress
    file, and so is its score.
    """
    if isinstance(choices, str) or not isinstance(choices, Mapping | Sequence):
        raise UsageError(f"expected choices to be texts in a list, such as ['yes', 'no'], not {choices!r:.80}")
    for name, bound in {"low": low, "high": high}.items():
        Limits(float).settle(name, bound)
    Limits(float, least=1).settle("close", close)
    _require_bounds(bounds, len(choices) - 1)
    reasons = choices if isinstance(choices, Mapping) else {}
    asked = Prediction(key, question, tuple(choices), reasons, tuple(bounds), low, high, unit, close)
    recorded = progress.read()
    earlier = progress.section(recorded, "guesses").get(key)
    if asked.allows(earlier):
        scored = progress.section(recorded, "scores").get(key)
        asked.guess, asked.receipt = earlier, progress.SAVED
        asked.locked = isinstance(scored, dict) and scored.get("guess") == earlier
    return asked


def _require_bounds(bounds: Sequence[float], count: int) -> None:
    is_list = isinstance(bounds, list | tuple) and all(isinstance(each, int | float) for each in bounds)
    if not is_list or (bounds and (len(bounds) != count or list(bounds) != sorted(bounds))):
        raise UsageError(f"expected bounds to be {count} rising numbers, between the choices, not {bounds!r:.80}")
