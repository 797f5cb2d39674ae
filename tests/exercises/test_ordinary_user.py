"""The judge as an ordinary user: it needs no rights of root, and an answer gains none."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from iolab.models import MODELS
from tests import ordinary
from tests.exercises.corpus import TAMPERING, prefork
from tests.exercises.corpus.answers import Answer

JUDGE = """
import json
from iolab.exercises import grade
exercise, text, only = json.loads(sys.stdin.read())
assert os.getuid() and not int(next(line.split()[1] for line in open("/proc/self/status") if "CapEff" in line), 16)
print(json.dumps(grade(exercise, text, 1, only=only).as_dict()))
"""

pytestmark = pytest.mark.skipif(bool(ordinary.why_not()), reason=ordinary.why_not() or "none")


@pytest.fixture
def room() -> Iterator[Path]:
    """Make a folder that nobody may read, with one that nobody may write in."""
    with ordinary.make_room() as folder:
        yield folder


def judge(room: Path, answer: Answer, only: str | None = None) -> None:
    """Judge an answer as nobody."""
    report = json.loads(ordinary.run(room, JUDGE, json.dumps([answer.exercise, answer.text, only])))
    if answer.at_most is None:
        assert report["score"] == report["out_of"], report
    else:
        assert report["score"] <= answer.at_most, report


def test_a_right_answer_has_its_points(room: Path) -> None:
    judge(room, Answer("03-epoll", "the course", MODELS["epoll"].source), only="descriptors")


@pytest.mark.certify
@pytest.mark.parametrize("exercise", ["01-threads", "03-epoll", "06-completion"])
def test_a_right_answer_has_all_points(room: Path, exercise: str) -> None:
    judge(room, Answer(exercise, "", MODELS[{"01": "threads", "03": "epoll", "06": "io_uring"}[exercise[:2]]].source))


@pytest.mark.certify
def test_workers_can_be_killed_and_ended(room: Path) -> None:
    judge(room, Answer(prefork.NAME, "", prefork.COURSE))


@pytest.mark.certify
@pytest.mark.parametrize("answer", TAMPERING, ids=str)
def test_tampering_gains_nothing(room: Path, answer: Answer) -> None:
    judge(room, answer)
