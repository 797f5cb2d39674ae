"""What the tests of the judge share."""

from collections.abc import Callable

import pytest

from iolab.exercises import Report, grade
from tests.exercises.corpus.answers import Answer

Judge = Callable[[Answer], Report]


def seed_of(answer: Answer) -> int:
    """Return a seed that differs from answer to answer, and is the same in every run."""
    return sum(map(ord, str(answer)))


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Return a function that judges an answer.

    A wrong answer is looked at for the property that it lacks: `tools/corpus.py` looks for all.
    """
    return lambda answer: grade(answer.exercise, answer.text, seed_of(answer), only=answer.lacks)
