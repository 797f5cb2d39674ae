"""No wrong answer passes, and no right one fails, whatever its style."""

from collections import Counter

import pytest

from iolab.exercises import EXERCISES, Exercise
from tests.exercises.conftest import Judge
from tests.exercises.corpus import ANSWERS, TAMPERING
from tests.exercises.corpus.answers import Answer

EVERY = 26
"""Of the answers that tamper, one in so many is in the daily sample."""


WEIGHED = "CPU per message"
"""A property that compares times: its wrong answer is judged in certify alone."""


def sample() -> set[Answer]:
    """Return the daily sample: of each exercise the first right answer, and for each property the first that lacks it.

    The exercises in which a client breaks servers have one judge, so one of their right answers holds it.
    What several exercises ask for is looked for by the same code, so one answer of one of them holds it.
    """
    rights: dict[str, Answer] = {}
    wrongs: dict[str, Answer] = {}
    for answer in ANSWERS:
        if answer.at_most is None and answer.lacks is None:
            rights.setdefault(answer.exercise[2:] if answer.exercise.endswith("break-it") else answer.exercise, answer)
        elif answer.at_most is None and answer.lacks != WEIGHED:
            wrongs.setdefault(str(answer.lacks), answer)
    return {*rights.values(), *wrongs.values(), *TAMPERING[::EVERY]}


DAILY = sample()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(answer, marks=[] if answer in DAILY else [pytest.mark.certify], id=str(answer))
        for answer in [*ANSWERS, *TAMPERING]
    ],
)
def test_the_judge_says_what_is_so(answer: Answer, judge: Judge) -> None:
    report = judge(answer)
    assert answer.is_judged_by(report), "\n".join(f"{each.passed} {each.name}: {each.says}" for each in report.checks)


@pytest.mark.parametrize(
    "exercise", [name for name, each in EXERCISES.items() if each.entry in ("serve", "name_model")]
)
def test_there_are_enough_answers(exercise: str) -> None:
    kinds = Counter(answer.lacks is None for answer in ANSWERS if answer.exercise == exercise)
    assert kinds[False] >= 12
    assert kinds[True] >= 3


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda each: each.name)
def test_every_property_has_an_answer_that_lacks_it_and_every_exercise_a_right_one(exercise: Exercise) -> None:
    lacks = {answer.lacks for answer in ANSWERS if answer.exercise == exercise.name and answer.at_most is None}
    assert lacks == {None, *(each.name for each in exercise.properties)}


def test_the_daily_sample_has_a_right_answer_to_each_exercise_and_one_that_lacks_each_property() -> None:
    rights = {answer.exercise for answer in DAILY if answer.lacks is None}
    assert {name for name in set(EXERCISES) - rights if not name.endswith("break-it")} == set()
    assert any(name.endswith("break-it") for name in rights)
    assert {answer.lacks for answer in DAILY} - {None} >= {
        each.name for exercise in EXERCISES.values() for each in exercise.properties if each.name != WEIGHED
    }
