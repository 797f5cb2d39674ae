"""200 submissions, 20 of them hostile, while a worker dies: all graded, and no score differs for it."""

import os
import signal
import textwrap
import threading
import time
from itertools import cycle, islice
from pathlib import Path

import pytest

from iolab.classroom.course import Course
from iolab.classroom.judging import NotJudged, judge_all, list_submissions
from iolab.exercises import Report
from iolab.exercises.sandbox import watch
from tests.classroom.support import SOURCE, answering, hand_in
from tests.exercises.corpus import ANSWERS, tampering
from tests.exercises.corpus.answers import Answer

EXERCISE = "03-epoll"
CIVIL = [answer for answer in ANSWERS if answer.exercise == EXERCISE and answer.at_most is None]
HOSTILE = [answer for answer in tampering.ANSWERS if answer.exercise == EXERCISE]


def wrap(text: str) -> str:
    """Put a text where a notebook's answer keeps what it does, and not only what it defines."""
    return f"if True:\n{textwrap.indent(text, '    ')}"


def kill_a_worker_once(over: threading.Event) -> None:
    """End one process of the cluster when it has begun to work."""
    time.sleep(15)
    family = watch.list_family(os.getpid())
    workers = [pid for pid in family if b"multiprocessing.spawn" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    if not over.is_set():
        os.kill(workers[0], signal.SIGKILL)


@pytest.mark.certify
@pytest.mark.timeout(3600)
def test_200_submissions_of_which_20_are_hostile(tmp_path: Path) -> None:
    course, answer_of = Course(tmp_path, SOURCE), {}
    course.release([EXERCISE])
    answers = [*islice(cycle(CIVIL), 180), *islice(cycle(HOSTILE), 20)]
    for number, answer in enumerate(answers):
        answer_of[f"student{number:03}"] = answer
        text = wrap(answer.text) if answer.at_most is not None else answer.text
        hand_in(course, f"student{number:03}", EXERCISE, answering(text))

    reports: dict[str, Report | NotJudged] = {}
    over = threading.Event()
    killer = threading.Thread(target=kill_a_worker_once, args=(over,))
    killer.start()
    submissions = list_submissions(tmp_path / "submitted", [EXERCISE])
    judge_all(submissions, "2026", None, lambda submission, report: reports.update({submission.student: report}))
    over.set()
    killer.join()

    assert set(reports) == set(answer_of)
    assert [student for student, answer in answer_of.items() if not is_right(answer, reports[student])] == []


def is_right(answer: Answer, report: Report | NotJudged) -> bool:
    return isinstance(report, Report) and answer.is_judged_by(report)
