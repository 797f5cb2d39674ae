"""Answers are judged a few at a time, since the judge mostly waits; a test asks for its own."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from iolab.exercises import Report, grade
from tests.exercises.corpus.answers import Answer

AT_ONCE = 3

Judged = Callable[[Answer], Report]


def seed_of(answer: Answer) -> int:
    """Return a seed that differs from answer to answer, and is the same in every run."""
    return sum(map(ord, str(answer)))


@pytest.fixture(scope="session")
def judged(request: pytest.FixtureRequest) -> Iterator[Judged]:
    """Return the report on an answer; all that are asked for in this run are under way.

    A wrong answer is looked at for the property that it lacks: `tools/corpus.py` looks for all.
    """
    calls = [item.callspec for item in request.session.items if hasattr(item, "callspec")]
    asked = dict.fromkeys(each.params["answer"] for each in calls if isinstance(each.params.get("answer"), Answer))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reports: dict[Answer, Future[Report]] = {
            answer: pool.submit(grade, answer.exercise, answer.text, seed_of(answer), only=answer.lacks)
            for answer in asked
        }
        yield lambda answer: reports[answer].result()
        pool.shutdown(cancel_futures=True)
