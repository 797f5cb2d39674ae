"""The learner's copy: what is in it, what is not, and what becomes of it when the course or the learner changes it."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

import iolab
from iolab.course import lessons, solutions
from iolab.course.drills import DRILLS
from iolab.course.hints import HINTS
from iolab.data import places
from iolab.errors import UsageError, brief
from iolab.exercises import EXERCISES
from iolab.exercises.task import TASKS

FIRST = "notebooks/00_start_here.ipynb"
ROOT = Path(__file__).resolve().parents[2]
TRACES = re.compile(r"SOLUTION|HIDDEN TESTS|nbgrader|widget-state|image/(png|svg)|<summary>(Sol|What to)")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy that nobody changed."""
    folder = tmp_path_factory.mktemp("fresh")
    lessons.copy(folder)
    return folder


def books(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.rglob("*.ipynb")):
        yield path.relative_to(folder).as_posix(), json.loads(path.read_text(encoding="utf-8"))


class TestWhatIsInIt:
    def test_no_output_no_solution_and_no_test_are_anywhere(self, fresh: Path) -> None:
        for name, book in books(fresh):
            assert set(book["metadata"]) <= {"kernelspec", "language_info"}, name
            for cell in book["cells"]:
                assert not cell.get("outputs") and cell.get("execution_count") is None, name
                assert set(cell["metadata"]) <= {"jupyter", "tags"}, name
        for path in filter(Path.is_file, fresh.rglob("*")):
            assert not TRACES.findall(path.read_text(encoding="utf-8")), path

    @pytest.mark.parametrize("name", EXERCISES)
    def test_no_line_of_a_solution_is_in_its_sheet(self, fresh: Path, name: str) -> None:
        sheet = (fresh / f"notebooks/exercises/{name}.ipynb").read_text(encoding="utf-8")
        stub = EXERCISES[name].stub
        lines = [line.strip() for line in solutions.find_solution(name).splitlines() if line.strip() not in stub]
        assert len(lines) > 5
        assert [line for line in lines if len(line) > 20 and json.dumps(line)[1:-1] in sheet] == []

    def test_what_a_lesson_ends_with_is_not_in_its_copy(self, fresh: Path) -> None:
        folded = 0
        for lesson in lessons.lesson_files():
            copy = (fresh / "notebooks" / lesson.name).read_text(encoding="utf-8")
            for fold in solutions._of_lesson(lesson):
                folded += 1
                assert all(json.dumps(line)[1:-1] not in copy for line in fold.splitlines() if len(line) > 20)
                assert f'iolab.solution(\\"{lesson.name[:2]}\\")' in copy
        assert folded >= 5  # a lesson with drills needs none

    def test_nor_is_what_is_to_be_typed(self, fresh: Path) -> None:
        for name, drill in DRILLS.items():
            (copy,) = (fresh / "notebooks").glob(f"{name[:2]}_*.ipynb")
            assert json.dumps(drill.solution)[1:-1] not in "".join(
                json.dumps(cell.source) for cell in nbformat.read(copy, as_version=4).cells
            )

    @pytest.mark.parametrize("name", EXERCISES)
    def test_an_exercise_has_its_task_three_hints_its_stub_and_the_judge(self, fresh: Path, name: str) -> None:
        book = nbformat.read(fresh / f"notebooks/exercises/{name}.ipynb", as_version=4)
        nbformat.validate(book)
        task, *hints, answer, _, check, then = (cell.source for cell in book.cells)
        assert task == TASKS[name] and answer == EXERCISES[name].stub.strip()
        assert len(hints) == 3 and all(hint.startswith("<details><summary>Hint ") for hint in hints)
        assert check == f'import iolab\n\niolab.check("{name}", {EXERCISES[name].entry})'
        assert f'iolab.solution("{name}")' in then

    def test_its_first_page_leads_to_every_lesson_and_every_exercise(self, fresh: Path) -> None:
        page = (fresh / lessons.README).read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)]+)\)", page)
        assert links[0] == FIRST
        assert set(links) == {name for name, _ in books(fresh)}

    def test_one_progress_file_serves_lessons_and_exercises(self, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from iolab import progress

        monkeypatch.delenv("IOLAB_PROGRESS", raising=False)
        for folder in ("notebooks", "notebooks/exercises", "."):
            monkeypatch.chdir(fresh / folder)
            assert progress.path().resolve() == fresh / "notebooks/progress.json"

    def test_git_ignores_the_copy_of_make_lab(self) -> None:
        assert "/my-course/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what lets the course have a newer text of a file."""

    def renew(name: str) -> None:
        texts = lessons._sources() | {name: f"newer {name}"}
        monkeypatch.setattr(lessons, "_sources", lambda: texts)

    return renew


class TestASecondTime:
    def test_nothing_changes(self, tmp_path: Path) -> None:
        first, second = lessons.copy(tmp_path), lessons.copy(tmp_path)
        assert (second.new, second.same, second.kept) == ([], first.new, [])

    def test_what_the_learner_changed_is_kept_and_named(self, tmp_path: Path) -> None:
        lessons.copy(tmp_path)
        (tmp_path / FIRST).write_text("mine")
        for update in (False, True):  # the course has nothing newer to give
            done = lessons.copy(tmp_path, update=update)
            assert (done.kept, done.offered) == ([FIRST], []) and (tmp_path / FIRST).read_text() == "mine"
        assert any(FIRST in line and "as you changed" in line for line in done.lines())

    def test_what_nobody_changed_is_brought_up_to_date(self, tmp_path: Path, newer: Callable[[str], None]) -> None:
        lessons.copy(tmp_path)
        newer(FIRST)
        assert lessons.copy(tmp_path).updated == [FIRST]
        assert (tmp_path / FIRST).read_text() == f"newer {FIRST}"

    def test_of_what_the_learner_changed_an_update_is_offered(
        self, tmp_path: Path, newer: Callable[[str], None]
    ) -> None:
        lessons.copy(tmp_path)
        (tmp_path / FIRST).write_text("mine")
        newer(FIRST)
        for _ in range(2):
            done = lessons.copy(tmp_path)
            assert done.offered == [FIRST] and (tmp_path / FIRST).read_text() == "mine"
            assert any("--update" in line and FIRST in line for line in done.lines())

    def test_an_update_that_is_taken_loses_nothing(self, tmp_path: Path, newer: Callable[[str], None]) -> None:
        lessons.copy(tmp_path)
        newer(FIRST)
        for number in ("", "-2"):
            (tmp_path / FIRST).write_text(f"mine{number}")
            (tmp_path / lessons.LAID).unlink()  # as a copy that an older course laid out
            done = lessons.copy(tmp_path, update=True)
            assert done.moved == [f"notebooks/00_start_here-mine{number}.ipynb"] and done.updated == [FIRST]
            assert (tmp_path / done.moved[0]).read_text() == f"mine{number}"
            assert (tmp_path / FIRST).read_text() == f"newer {FIRST}"

    def test_a_file_that_was_deleted_comes_back(self, tmp_path: Path) -> None:
        lessons.copy(tmp_path)
        (tmp_path / FIRST).unlink()
        assert lessons.copy(tmp_path).new == [FIRST]


class TestWhereItCannotBeLaidOut:
    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "notebooks").write_text("a file")
        with pytest.raises(UsageError, match=r"cannot write the lessons to .*: .*; name another folder"):
            lessons.copy(tmp_path)

    def test_an_installation_without_lessons(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "folder", lambda name: tmp_path / name)
        with pytest.raises(UsageError, match=r"expected the lessons in .*, found none"):
            lessons.copy(tmp_path / "mine")


def answer(monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return words

    monkeypatch.setattr("builtins.input", ask)
    return asked


class TestASolution:
    def test_it_is_shown_to_who_asks_and_then_says_yes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = answer(monkeypatch, "yes")
        assert "def serve(listening, respond):" in iolab.solution("03-epoll")
        assert len(asked) == 1 and "03-epoll" in asked[0]

    @pytest.mark.parametrize("words", ["", "no", "n"])
    def test_it_is_not_shown_to_who_thinks_better_of_it(self, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
        answer(monkeypatch, words)
        says = iolab.solution("03-epoll")
        assert says.startswith("Not shown. Its hints are in notebooks/exercises/03-epoll.ipynb, ")

    @pytest.mark.parametrize("error", [EOFError, NotImplementedError])
    def test_where_nobody_can_be_asked_it_is_not_shown(
        self, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        def ask(question: str) -> str:
            raise error

        monkeypatch.setattr("builtins.input", ask)
        assert iolab.solution("03-epoll").startswith("Not shown.")

    @pytest.mark.parametrize("name", [*EXERCISES, "01", "08"])
    def test_there_is_one_for_each_exercise_and_each_lesson(self, name: str) -> None:
        text = iolab.solution(name, ask=False)
        assert len(text) > 100 and "BEGIN" not in text and "<details>" not in text

    def test_a_wrong_name_has_an_error_of_two_lines(self) -> None:
        with pytest.raises(UsageError, match="there is no exercise '03-epol'; did you mean 03-epoll") as caught:
            iolab.solution("03-epol")
        assert len(brief(caught.value)) == 2


def test_there_are_three_hints_for_each_exercise() -> None:
    assert set(HINTS) == set(EXERCISES)
    assert {len(hints) for hints in HINTS.values()} == {3}


def test_a_path_to_be_pasted_is_quoted() -> None:
    line = list(lessons.LessonCopies(Path("my own course")).lines())[-1]
    assert shlex.split(line.removeprefix("start with: ")) == ["jupyter", "lab", f"my own course/{FIRST}"]
