"""A class is graded: everyone gets a score, nobody disturbs another, and what a notebook claims counts for nothing."""

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import indent
from typing import Any

import psutil  # type: ignore[import-untyped]  # a part of Dask
import pytest
from click.testing import CliRunner

from iolab.classroom import judging
from iolab.classroom.__main__ import main
from iolab.classroom.course import Course
from iolab.classroom.judging import NotJudged, Submission, judge_all, list_submissions, save_outcome
from iolab.errors import UsageError
from iolab.exercises import Check, Report, find
from iolab.traffic.cluster import dask as cluster
from tests.classroom.support import SOURCE, Book, Edit, answering, cell, code, hand_in, solution
from tests.clusters import Cluster, Processes
from tests.exercises.corpus.tampering import BEFORE
from tests.peers import Peer, silent

DASHBOARD = ("127.0.0.1", 8787)
EXERCISE = "03-epoll"
OUT_OF = sum(each.points for each in find(EXERCISE).properties)


@contextmanager
def another_dask() -> Iterator[None]:
    """Take the port that a Dask of somebody else's would have, if it is free."""
    with socket.socket() as taken:
        with suppress(OSError):
            taken.bind(DASHBOARD)
            taken.listen()
        yield


def where_we_listen() -> set[str]:
    """Return the addresses at which this process and its children listen; the port of `another_dask` is no matter."""
    me, sockets = psutil.Process(), []
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a child of a judge may end meanwhile
            sockets += process.net_connections("inet")
    return {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}


SIGIO_TO_OTHERS = "has its forebears sent SIGIO by a descriptor"


def right(book: Book) -> None:
    answering(solution(EXERCISE))(book)


def prints_the_output(book: Book) -> None:
    """Claim the points, and leave the output that would bring them."""
    answering("print('21.0')\n21.0")(book)
    full = {"output_type": "execute_result", "data": {"text/plain": "21.0"}, "metadata": {}, "execution_count": 1}
    cell(book, "judged")["outputs"] = [full]


def rewrites_the_test(book: Book) -> None:
    cell(book, "judged")["source"] = "21.0"


def deletes_the_test(book: Book) -> None:
    right(book)
    book["cells"].remove(cell(book, "judged"))


def doubles_cells(book: Book) -> None:
    right(book)
    book["cells"] += [json.loads(json.dumps(each)) | {"id": f"again{n}"} for n, each in enumerate(book["cells"])]


def relabels_cells(book: Book) -> None:
    right(book)
    cell(book, "judged")["metadata"]["nbgrader"] |= {"points": 1000, "grade_id": "mine"}


def splits_the_answer(book: Book) -> None:
    imports, _, rest = solution(EXERCISE).partition("\ndef serve")
    answering(imports)(book)
    book["cells"].insert(2, code(f"%time 1\ndef serve{rest}\n\niolab.measure(serve)"))


JUDGED: dict[str, tuple[Edit, bool]] = {
    "right": (right, True),
    "kills its parent": (answering("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"), False),
    "prints the output": (prints_the_output, False),
    "has others sent SIGIO": (answering(f"if True:{indent(BEFORE[SIGIO_TO_OTHERS], ' ' * 4)}"), False),
}
"""What the judge itself looks at, and whether it is right; the corpus has more of them."""

REARRANGED: dict[str, tuple[Edit, bool]] = {
    "rewrites the test": (rewrites_the_test, False),
    "deletes the test": (deletes_the_test, True),
    "doubles cells": (doubles_cells, True),
    "relabels cells": (relabels_cells, True),
    "splits the answer": (splits_the_answer, True),
}
"""What is done to a notebook, and whether there is an answer in it."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    course = Course(tmp_path_factory.mktemp("class"), SOURCE)
    course.release([EXERCISE])
    return course


@pytest.fixture(scope="module")
def scores(course: Course) -> dict[str, float]:
    """The scores of a class of which half is up to something, by the command of `make grade`."""
    for student, (edit, _) in JUDGED.items():
        hand_in(course, student, EXERCISE, edit)
    broken = course.root / "submitted" / "no notebook" / EXERCISE / f"{EXERCISE}.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    command = CliRunner().invoke(main, ["grade", "--course", str(course.root), "--source", str(SOURCE)])
    assert command.exit_code == 0, command.output
    with course.open_nbgrader(EXERCISE) as api, api.gradebook as book:
        return {each.student_id: each.score for each in book.assignment_submissions(EXERCISE)}


@pytest.mark.timeout(400)
class TestAClass:
    def test_everybody_has_a_score(self, scores: dict[str, float]) -> None:
        assert set(scores) == {*JUDGED, "no notebook"}

    @pytest.mark.parametrize("student", JUDGED)
    def test_the_answer_counts_and_nothing_else(self, scores: dict[str, float], student: str) -> None:
        assert scores[student] == (OUT_OF if JUDGED[student][1] else 0)

    def test_what_cannot_be_read_scores_nothing(self, scores: dict[str, float]) -> None:
        assert scores["no notebook"] == 0

    def test_feedback_says_what_was_seen(self, scores: dict[str, float], course: Course) -> None:
        pages = {path.parts[-3]: path.read_text() for path in course.root.glob("feedback/*/*/*.html")}
        assert set(pages) == set(scores)
        assert "what was seen" in pages["right"] and "many clients" in pages["right"]
        assert "cannot be read as a notebook" in pages["no notebook"]


@pytest.mark.parametrize("student", REARRANGED)
def test_a_notebook_that_was_rearranged_is_scored_by_its_answer(course: Course, student: str) -> None:
    edit, good = REARRANGED[student]
    submission = Submission(student, EXERCISE, hand_in(course, student, EXERCISE, edit))
    is_right = "def serve" in (submission.answer or "") and "interest" in (submission.answer or "")
    save_outcome(Report(EXERCISE, 1, (Check("all", is_right, 1, "invented"),)), course.path_of_report(submission))
    row = course.score(submission)
    assert (row["score"], row["out of"]) == (OUT_OF if good else 0, OUT_OF)


def test_one_who_cannot_be_scored_keeps_nobody_else_from_a_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = Course(tmp_path, SOURCE)
    course.release([EXERCISE])
    for student in ("ann\x1b[2J", "bob"):
        hand_in(course, student, EXERCISE, answering("A = 1"))

    def score(course: Course, submission: Submission) -> dict[str, Any]:
        if submission.student != "bob":
            raise UsageError(f"03-epoll of {submission.student} could not be scored: no room")
        return {"student": "bob", "exercise": EXERCISE, "score": 3.0, "out of": 21.0}

    monkeypatch.setattr(Course, "score", score)
    monkeypatch.setattr("iolab.classroom.__main__.judge_all", lambda *_: None)
    command = CliRunner().invoke(main, ["grade", "--course", str(tmp_path), "--source", str(SOURCE)])
    assert command.exit_code == 2
    assert r"1 of 2 could not be scored: 03-epoll of ann\x1b[2J could not be scored: no room" in command.stderr
    assert "bob" in command.stdout and "3.0" in command.stdout
    assert "\x1b" not in command.output


@pytest.fixture
def handed_in(tmp_path: Path) -> list[Submission]:
    for number in range(8):
        path = tmp_path / f"student{number}" / EXERCISE / f"{EXERCISE}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return list_submissions(tmp_path, [EXERCISE])


class TestJudging:
    def test_seeds_differ_by_student_and_repeat(self, handed_in: list[Submission]) -> None:
        seeds = [each.seed("course") for each in handed_in]
        assert len(set(seeds)) == len(seeds)
        assert seeds == [each.seed("course") for each in handed_in]
        assert seeds != [each.seed("another course") for each in handed_in]

    def test_the_seed_is_made_from_a_secret_and_from_the_answer(self, tmp_path: Path) -> None:
        course, other = Course(tmp_path / "one", SOURCE), Course(tmp_path / "other", SOURCE)
        assert course.secret == course.secret != other.secret
        assert (course.root / "secret").stat().st_mode & 0o077 == 0
        seeds = set()
        for number, text in enumerate(("A = 1", "A = 2")):
            path = tmp_path / f"{number}.ipynb"
            cells = [code(text)]
            path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
            seeds.add(Submission("student", EXERCISE, path).seed(course.secret))
        assert len(seeds) == 2

    def test_a_lost_share_is_judged_again_and_a_judge_that_fails_is_named(
        self, handed_in: list[Submission], tmp_path: Path
    ) -> None:
        died, unlucky = tmp_path / "died", handed_in[-1].seed("course")

        def judge(exercise: str, answer: str, seed: int) -> Report:
            if not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if seed == unlucky:
                raise RuntimeError("no room")
            return Report(exercise, seed, ())

        reports: dict[str, Report | NotJudged] = {}
        hosts: set[str] = set()

        def on_report(each: Submission, report: Report | NotJudged) -> None:
            reports[each.student] = report
            hosts.update(where_we_listen())

        with another_dask():
            judge_all(handed_in, "course", None, on_report, judge)
        assert died.exists() and hosts == {"127.0.0.1"}
        expected = {each.student: Report(EXERCISE, each.seed("course"), ()) for each in handed_in[:-1]}
        assert reports == expected | {
            handed_in[-1].student: NotJudged("the judge failed: RuntimeError('no room')"),
        }

    def test_a_scheduler_that_is_silent(self, handed_in: list[Submission], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cluster, "ANSWERS_S", 0.25)
        with Peer(silent) as peer, pytest.raises(UsageError, match=r"no Dask scheduler answers at .* for 0.25 s"):
            judge_all(handed_in, "course", "{}:{}".format(*peer.address), lambda each, report: None)

    def test_the_scheduler_dies(self, handed_in: list[Submission], tmp_path: Path) -> None:
        last = handed_in[-1].seed("course")

        def judge(exercise: str, answer: str, seed: int) -> Report:
            if seed == last:
                threading.Event().wait()  # the worker ends with the test
            return Report(exercise, seed, ())

        with Processes(tmp_path / "cluster") as processes:
            lost = Cluster(processes, 1)
            with pytest.raises(UsageError, match="the Dask scheduler is gone: start it, and grade again"):
                judge_all(handed_in, "course", lost.address, lambda each, report: lost.scheduler.kill(), judge)

    def test_nobody_is_left_to_judge(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def nobody(client: Any) -> None:
            return None

        monkeypatch.setattr(judging, "CLASS_WAITS_FOR_WORKER_S", 0.5)
        monkeypatch.setattr(judging, "CLASS_LOOKS_FOR_WORKERS_EVERY_S", 0.1)
        monkeypatch.setattr(cluster, "addresses", nobody)
        with pytest.raises(UsageError, match=r"this machine has had no Dask worker for 0\.5 s"):
            asyncio.run(judging.watch_workers(None, "this machine"))

    def test_the_command_says_in_one_line_that_nothing_was_handed_in(self, tmp_path: Path) -> None:
        command = CliRunner().invoke(main, ["grade", "--course", str(tmp_path), "--source", str(SOURCE)])
        assert (command.exit_code, len(command.stderr.splitlines())) == (2, 1)
        assert "Error: nothing was handed in: expected" in command.stderr

    def test_nothing_handed_in(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"nothing was handed in: expected .*STUDENT/EXERCISE/EXERCISE\.ipynb"):
            list_submissions(tmp_path, [EXERCISE])
