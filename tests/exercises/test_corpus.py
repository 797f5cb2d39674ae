"""No wrong answer passes, and no right one fails, whatever its style."""

from collections import Counter
from typing import Any

import pytest

from iolab.exercises import EXERCISES
from tests.exercises.conftest import Judged
from tests.exercises.corpus import ANSWERS, TAMPERING
from tests.exercises.corpus.answers import Answer

EVERY = 6
"""Of the answers that tamper, one in so many is judged every day."""


def sample() -> set[Answer]:
    """Return what is judged every day: of each exercise the first right answer, and the first that lacks a property."""
    firsts: dict[tuple[str, str | None], Answer] = {}
    for answer in ANSWERS:
        firsts.setdefault((answer.exercise, answer.lacks), answer)
    return {*firsts.values(), *TAMPERING[::EVERY]}


def by_tier() -> list[Any]:
    daily = sample()
    marks = {True: [], False: [pytest.mark.certify]}
    return [pytest.param(each, marks=marks[each in daily], id=str(each)) for each in [*ANSWERS, *TAMPERING]]


@pytest.mark.parametrize("answer", by_tier())
def test_the_judge_says_what_is_so(answer: Answer, judged: Judged) -> None:
    report = judged(answer)
    assert answer.is_judged_by(report), "\n".join(f"{each.passed} {each.name}: {each.says}" for each in report.checks)


@pytest.mark.parametrize("exercise", [name for name, each in EXERCISES.items() if each.entry == "serve"])
def test_there_are_enough_answers(exercise: str) -> None:
    kinds = Counter(answer.lacks is None for answer in ANSWERS if answer.exercise == exercise)
    assert kinds[False] >= 12
    assert kinds[True] >= 3


def test_every_property_of_a_server_has_an_answer_that_lacks_it() -> None:
    for exercise in EXERCISES.values():
        caught = {answer.lacks for answer in ANSWERS if answer.exercise == exercise.name}
        assert exercise.entry != "serve" or {each.name for each in exercise.properties} <= caught
