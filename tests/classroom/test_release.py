"""What students get: the task, and neither a solution nor a test."""

import json
import re
import shutil

import pytest

from iolab.classroom.course import Course
from iolab.errors import UsageError
from iolab.exercises.catalogue import EXERCISES, find
from iolab.exercises.task import TASKS
from tests.classroom.support import SOURCE, cell, read, solution

NAMES = sorted(path.stem for path in SOURCE.glob("*/*.ipynb"))
OWNED, LEFT = "03-epoll", ("progress.json", "progress.json.damaged", "progress.json.new", "iolab-progress (1).json")
"""The exercise that the teacher tried, and what that left in its folder."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class whose gradebook is elsewhere, unlike that of `test_grading`, and whose teacher tried an exercise."""
    folder = tmp_path_factory.mktemp("class")
    shutil.copytree(SOURCE, folder / "source")
    for name in (*LEFT, "data.json"):
        (folder / "source" / OWNED / name).write_text("{}")
    course = Course(folder / "class", folder / "source", f"sqlite:///{folder / 'other.db'}")
    assert [path.name for path in course.release()] == NAMES
    return course


def test_every_exercise_has_a_notebook() -> None:
    assert sorted(EXERCISES) == NAMES


@pytest.mark.parametrize("name", NAMES)
class TestEveryRelease:
    def test_it_begins_with_the_stub(self, course: Course, name: str) -> None:
        released = read(course.root / "release" / name / f"{name}.ipynb")
        assert "".join(cell(released, "answer")["source"]).strip() == find(name).stub.strip()

    def test_it_holds_nothing_of_the_solution_or_the_test(self, course: Course, name: str) -> None:
        text = (course.root / "release" / name / f"{name}.ipynb").read_text()
        lines = {line.strip() for line in solution(name).splitlines() if len(line.strip()) > 24}
        stub = {line.strip() for line in find(name).stub.splitlines()}
        assert [line for line in lines - stub if json.dumps(line)[1:-1] in text] == []
        assert not re.search(r"HIDDEN|SOLUTION|\.score", text)
        assert all(not each.get("outputs") for each in json.loads(text)["cells"])

    def test_its_task_is_what_the_judge_asks(self, name: str) -> None:
        source = read(SOURCE / name / f"{name}.ipynb")
        assert "".join(source["cells"][0]["source"]) == TASKS[name], "run tools/tasks.py"
        assert cell(source, "judged")["metadata"]["nbgrader"]["points"] == sum(
            each.points for each in find(name).properties
        )


def test_an_unknown_exercise(course: Course) -> None:
    with pytest.raises(UsageError, match="there is no exercise '99-none'; there are "):
        course.release(["99-none"])


def test_the_gradebook_may_be_elsewhere(course: Course) -> None:
    assert (course.root.parent / "other.db").stat().st_size > 0
    assert not (course.root / "gradebook.db").exists()


def test_nothing_of_the_teachers_progress_leaves(course: Course) -> None:
    released = course.root / "release" / OWNED
    assert sorted(path.name for path in released.iterdir()) == [f"{OWNED}.ipynb", "data.json"]
