"""What an instructor does with scores: lateness, comments, other points, other graders' marks, export, likenesses."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iolab.classroom.__main__ import main
from iolab.classroom.course import Course
from iolab.classroom.export import Roster
from iolab.classroom.judging import Submission, save_outcome
from iolab.classroom.late import LateDays
from iolab.classroom.similar import groups, list_similar
from iolab.errors import UsageError
from iolab.exercises import EXERCISES, Check, Report
from tests.classroom.support import SOURCE, answering, code, hand_in, solution

EXERCISE, DUE = "03-epoll", "2026-11-01 12:00 UTC"
CORPUS = Path(__file__).resolve().parents[1] / "exercises/corpus/blind"


def judged(course: Course, student: str, points: int, handed_in: str = "2026-11-01 11:00 UTC") -> Submission:
    """Return a submission on which there is a report; of 21 points it has these."""
    notebook = hand_in(course, student, EXERCISE, answering("A = 1"))
    notebook.with_name("timestamp.txt").write_text(handed_in)
    submission = Submission(student, EXERCISE, notebook)
    checks = (Check("some", True, points, "seen"), Check("others", False, 21 - points, "not seen"))
    save_outcome(Report(EXERCISE, 1, checks), course.path_of_report(submission))
    return submission


def run(course: Course, *arguments: object) -> Result:
    options = ("--course", course.root, "--source", course.source)
    return CliRunner().invoke(main, [str(each) for each in (*arguments, *options)])


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class of three: bob was a day and a half late, and a grader gave ann two points more."""
    course = Course(tmp_path_factory.mktemp("class"), SOURCE)
    course.release([EXERCISE])
    settings = course.root / "nbgrader_config.py"
    settings.write_text(settings.read_text().replace("share_per_day = 0.0", "share_per_day = 0.25"))
    with course.open_nbgrader(EXERCISE) as api, api.gradebook as book:
        book.update_or_create_assignment(EXERCISE, duedate=DUE)
    late = "2026-11-02 23:00 UTC"
    submissions = [judged(course, *about) for about in (("ann", 21), ("bob", 20, late), ("cy", 7))]
    for each in submissions:
        course.score(each)
    with course.open_nbgrader(EXERCISE) as api, api.gradebook as book:
        grade = book.find_submission_notebook(EXERCISE, EXERCISE, "ann").grades[0]
        grade.extra_credit = 2
        book.find_comment("answer", EXERCISE, EXERCISE, "ann").manual_comment = "nice and short"
        book.db.commit()
    course.score(submissions[0])
    return course


@pytest.mark.certify
def test_a_late_day_costs_its_share_and_one_who_was_in_time_nothing(course: Course) -> None:
    scores, out_of = course.grades()
    assert out_of == {EXERCISE: 21.0}
    assert {student: mine[EXERCISE] for student, mine in scores.items()} == {"ann": 23.0, "bob": 10.0, "cy": 7.0}


@pytest.mark.certify
def test_grading_again_leaves_what_a_grader_wrote_and_it_is_in_the_feedback(course: Course) -> None:
    page = (course.root / "feedback/ann" / EXERCISE / f"{EXERCISE}.html").read_text()
    assert "nice and short" in page and "23.0" in re.sub(r"\s", "", page)


@pytest.mark.parametrize(
    ("days", "free", "share", "penalty"),
    [(0, 0, 0.1, 0), (0.1, 0, 0.1, 2), (1.5, 0, 0.1, 4), (1.5, 1, 0.1, 2), (1, 1, 0.1, 0), (30, 2, 0.5, 20)],
)
def test_days_begun_count_after_the_free_ones(days: float, free: int, share: float, penalty: float) -> None:
    plugin = LateDays(free_days=free, share_per_day=share)
    assert plugin.late_submission_penalty("ann", 20, days * 86400) == pytest.approx(penalty)


CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Homework (7)
    Points Possible,,,,,10
"Doe, Ann",101,S1,ann,A,9
"Roe, Bob",102,S2,bob,A,
"Poe, Dan",103,S3,dan,B,5
"""
CANVAS_IN_TWO_NAMES = """LastName;FirstName;ID;SIS Login ID;Section;03-epoll (7)
;;;;;Manual Posting
    Points Possible;;;;;21
Doe;Ann;101;ann;A;9,5
Roe;Bob;102;bob;A;
Coe;Cy;103;cy;A;
"""
MOODLE = """\ufeff"First name","Last name","ID number",Email address,"Course total (Real)"
Ann,Doe,ann,ann@example.org,9
Bob,Roe,bob,bob@example.org,-
Cy,Coe,cy,cy@example.org,-
Dan,Poe,dan,dan@example.org,-
Eve,Moe,,eve@example.org,-
"""


class TestExport:
    @pytest.fixture
    def course(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
        scores = {student: {EXERCISE: score} for student, score in (("ann", 23.0), ("bob", 10.0), ("cy", 7.0))}
        monkeypatch.setattr(Course, "grades", lambda course: (scores, {EXERCISE: 21.0}))
        return Course(tmp_path, SOURCE)

    def written(self, course: Course, roster: str, tmp_path: Path, status: int, *options: str) -> tuple[list[Any], str]:
        (tmp_path / "roster.csv").write_text(roster)
        done = run(course, "export", tmp_path / "roster.csv", "--to", tmp_path / "out.csv", *options)
        assert done.exit_code == status, done.output
        return list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text()))), done.output

    def test_canvas_gets_its_own_columns_the_points_possible_and_a_score_for_each(
        self, course: Course, tmp_path: Path
    ) -> None:
        rows, says = self.written(course, CANVAS, tmp_path, 2)
        assert rows == [
            ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", EXERCISE],
            ["    Points Possible", "", "", "", "", "21"],
            ["Doe, Ann", "101", "S1", "ann", "A", "23"],
            ["Roe, Bob", "102", "S2", "bob", "A", "10"],
            ["Poe, Dan", "103", "S3", "dan", "B", ""],
        ]
        assert "3 students by SIS Login ID, for Canvas" in says
        assert "without a line: cy" in says

    def test_canvas_may_split_names_hide_grades_and_separate_by_semicolons(
        self, course: Course, tmp_path: Path
    ) -> None:
        rows, says = self.written(course, CANVAS_IN_TWO_NAMES, tmp_path, 0)
        assert rows[:3] == [
            ["LastName", "FirstName", "ID", "SIS Login ID", "Section", EXERCISE],
            ["    Points Possible", "", "", "", "", "21"],
            ["Doe", "Ann", "101", "ann", "A", "23"],
        ]
        assert len(rows) == 5 and "3 students by SIS Login ID, for Canvas" in says

    def test_moodle_gets_the_columns_that_it_maps_by(self, course: Course, tmp_path: Path) -> None:
        rows, says = self.written(course, MOODLE, tmp_path, 0)
        assert rows[0] == ["First name", "Last name", "ID number", "Email address", EXERCISE]
        assert [row[-1] for row in rows[1:]] == ["23", "10", "7", "-"]  # an empty cell would be 0 of a new item
        assert "by ID number, for Moodle" in says and f"{EXERCISE} is out of 21" in says

    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_a_list_of_participants_is_read_with_any_separator(self, separator: str, tmp_path: Path) -> None:
        roster = tmp_path / "roster.csv"
        roster.write_text("First name,Surname,Email address,Groups\nAnn,Doe,ann@example.org,\n".replace(",", separator))
        students = Roster.read(roster)
        assert students.columns == ("First name", "Surname", "Email address")
        assert students.key(["ann@example.org"]) == "Email address"

    @pytest.mark.parametrize(
        ("roster", "says"),
        [
            ("name,grade\nann,1\n", "is no list of students: expected the columns ID, Section for Canvas"),
            ("", "is no list of students"),
            ("Email address\nx@example.org\n", "has a student of this class, such as 'ann'"),
        ],
    )
    def test_what_is_no_list_of_this_class_is_refused(
        self, course: Course, roster: str, says: str, tmp_path: Path
    ) -> None:
        (tmp_path / "roster.csv").write_text(roster)
        done = run(course, "export", tmp_path / "roster.csv", "--to", tmp_path / "out.csv")
        assert done.exit_code == 2 and says in done.stderr
        assert not (tmp_path / "out.csv").exists()

    def test_a_key_that_the_list_lacks_is_refused(self, course: Course, tmp_path: Path) -> None:
        (tmp_path / "roster.csv").write_text(MOODLE)
        done = run(course, "export", tmp_path / "roster.csv", "--key", "Login")
        assert done.exit_code == 2 and "no column 'Login' by which Moodle finds a student" in done.stderr

    def test_a_name_that_a_spreadsheet_would_run_stays_as_it_came(self, tmp_path: Path) -> None:
        roster = tmp_path / "roster.csv"
        roster.write_text('Email address,First name\na@b.c,"=1+1"\n')
        assert "=1+1" in Roster.read(roster).with_scores({}, {}, "Email address")

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "roster.csv").write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match=r"cannot read the list of students in .*roster\.csv"):
            Roster.read(tmp_path / "roster.csv")


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("/proc/none", "/proc/none: No such file or directory; make it yours (chown), or name another folder"),
        ("/dev/null/class", "/dev/null/class: Not a directory; make it yours (chown), or name another folder"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line(folder: str, says: str) -> None:
    done = run(Course(Path(folder), SOURCE), "release", EXERCISE)
    assert done.exit_code == 2 and says in done.stderr


def test_scores_of_nothing_graded_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(MOODLE)
    done = run(Course(tmp_path, SOURCE), "export", tmp_path / "roster.csv")
    assert done.exit_code == 2 and "nothing is graded yet" in done.stderr


def disguise(text: str) -> str:
    """Return a copy as one makes it who copies: other names, other comments, another layout."""
    words = set(re.findall(r"\b[a-z_]{4,}\b", text)) - {"from", "import", "while", "return", "else", "pass", "lambda"}
    words -= {"True", "None", "False", "class", "break", "continue", "elif", "except", "finally", "with", "raise"}
    words -= {"yield", "global", "nonlocal", "assert", "async", "await"}
    renamed = re.sub(r"\b[a-z_]{4,}\b", lambda match: match[0] + "_x" if match[0] in words else match[0], text)
    return "# mine\n" + renamed.replace("\n\n", "\n\n    # a thought\n")


class TestSimilar:
    @pytest.mark.parametrize(
        "exercise",
        ["03-epoll", *(pytest.param(each, marks=pytest.mark.certify) for each in ("07-event-loop", "08-chat"))],
    )
    def test_a_copy_in_disguise_is_seen_and_who_wrote_alone_is_not(self, exercise: str) -> None:
        authors = ("level", "class", "generators", "edge") if exercise == "03-epoll" else None
        files = sorted((CORPUS / exercise).glob("*.py"))
        alone = {file.stem: file.read_text() for file in files if authors is None or file.stem in authors}
        first = next(iter(alone))
        with_copy = list_similar(alone | {"copy": disguise(alone[first])}, EXERCISES[exercise].stub)
        (group,) = [row["alike"].split(", ") for row in with_copy if "copy" in row["alike"].split(", ")]
        assert first in group
        if authors:
            assert list_similar(alone, EXERCISES[exercise].stub) == []

    def test_groups_are_shown_as_one(self) -> None:
        assert groups([("a", "b"), ("c", "d"), ("b", "e"), ("f", "g"), ("e", "d")]) == [
            ["f", "g"],
            ["a", "b", "c", "d", "e"],
        ]

    def test_stubs_and_short_answers_are_like_nobody(self) -> None:
        stub = EXERCISES["03-epoll"].stub
        assert list_similar({"a": stub, "b": stub, "c": "", "d": "A = 1", "e": "A = 1"}, stub) == []

    def test_what_is_no_python_is_compared_as_far_as_it_can_be_read(self) -> None:
        text = solution("03-epoll")
        assert list_similar({"a": text + "\n)(", "b": text + "\n'''"})[0]["most_share"] > 0.9

    def test_the_command_names_the_pairs_and_the_courses_solution(self, tmp_path: Path) -> None:
        for student, text in {"ann": solution(EXERCISE), "bob": disguise(solution(EXERCISE)), "cy": "A = 1"}.items():
            path = tmp_path / "submitted" / student / EXERCISE / f"{EXERCISE}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"cells": [code(text)], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        done = run(Course(tmp_path, SOURCE), "similar")
        lines = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
        assert lines[0] == ["exercise", "alike", "least_share", "most_share"]
        assert lines[1] == [EXERCISE, "ann, bob, the course's solution", lines[1][2], "100%"]
        assert len(lines) == 2


class TestProgress:
    def test_each_student_has_a_row_and_each_claim_its_verdicts(self, tmp_path: Path) -> None:
        mine = {"verdicts": {"C1": {"word": "holds"}}, "exercises": {EXERCISE: {"score": 20, "out_of": 21}}}
        self.hand_in(tmp_path, {"ann": json.dumps(mine), "bob": json.dumps({"verdicts": {"C1": {"word": "fails"}}})})
        done = run(Course(tmp_path, SOURCE), "progress")
        rows = {line.split()[0]: line for line in done.stdout.splitlines() if line}
        assert "1 of 14" in rows["ann"] and " 20 of " in rows["ann"]
        assert rows["claim"].split() == ["claim", "fails", "holds"] and rows["C1"].split() == ["C1", "1", "1"]

    @pytest.mark.parametrize(
        "text", ["{", "[]", "7", '{"verdicts": 3, "guesses": []}', '{"verdicts": {"C1": {"word": "\\u001b[2J"}}}', "\0"]
    )
    def test_a_file_of_whatever_kind_does_no_harm(self, text: str, tmp_path: Path) -> None:
        self.hand_in(tmp_path, {"ann": text, "bob": "{}"})
        done = run(Course(tmp_path, SOURCE), "progress")
        assert done.exit_code == 0 and "\x1b" not in done.output
        assert {"ann", "bob"} <= {line.split()[0] for line in done.stdout.splitlines() if line}

    def test_without_any_the_place_is_named(self, tmp_path: Path) -> None:
        done = run(Course(tmp_path, SOURCE), "progress")
        assert done.exit_code == 2 and "submitted/STUDENT/progress.json" in done.stderr

    def hand_in(self, root: Path, texts: dict[str, str]) -> None:
        for student, text in texts.items():
            folder = root / "submitted" / student
            folder.mkdir(parents=True)
            (folder / "progress.json").write_text(text)
