"""An answer of the corpus: its text, and the property that it must be found to lack."""

import textwrap
from dataclasses import dataclass

from iolab.exercises import Report
from iolab.models import MODELS

Swap = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    """One answer to one exercise; a right one lacks nothing, and one that tampers has `at_most` some points."""

    exercise: str
    name: str
    text: str
    lacks: str | None = None
    at_most: int | None = None

    def is_judged_by(self, report: Report) -> bool:
        """Say whether a report says of this answer what is so."""
        if self.at_most is not None:
            return report.score <= self.at_most
        return self.lacks in report.failed() if self.lacks else report.score == report.out_of

    def expected(self) -> str:
        """Say what the judge must find."""
        if self.at_most is not None:
            return f"at most {self.at_most}"
        return f"lacks {self.lacks}" if self.lacks else "all points"

    def __str__(self) -> str:
        return f"{self.exercise}: {self.name}"


def swapped(model: str, *swaps: Swap) -> str:
    """Return the text of a model with a mistake put into it."""
    text = MODELS[model].source
    for before, after in swaps:
        assert before in text, f"{model} no longer says {before!r}: put the mistake into what it says now"
        text = text.replace(before, after)
    return text


def end_with_a_message(text: str, entry: str = "serve", parameters: str = "listening, respond") -> str:
    """Return a text whose function says goodbye by `sys.exit`, which makes an error of it."""
    return f"""{text}

import sys

run = {entry}


def {entry}({parameters}):
    try:
        run({parameters})
    finally:
        sys.exit("the server has ended")
"""


def text(lines: str) -> str:
    """Return a text that stands indented here."""
    return textwrap.dedent(lines).lstrip()


def right(exercise: str, **texts: str) -> list[Answer]:
    """Return right answers by their style."""
    return [Answer(exercise, name.replace("_", " "), each) for name, each in texts.items()]


def wrong(exercise: str, lacks: str, name: str, each: str) -> Answer:
    """Return a wrong answer."""
    return Answer(exercise, name, each, lacks)
