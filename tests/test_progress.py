"""Progress that is taken along: saved, restored, merged without a loss, and the panel that does it."""

import base64
import json
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import iolab
from iolab import progress, settings
from iolab.errors import UsageError
from iolab.exercises import EXERCISES
from iolab.notebook.my_progress import copy_buttons

OURS = {"guesses": {"a": 1, "b": 2}, "verdicts": {"C1": {"word": "holds"}}}
THEIRS = {"guesses": {"b": 3, "c": 4}, "scores": {"b": {"right": True}}, "mine": {"x": [1]}, "note": "kept"}


def leaves(value: Any) -> set[str]:
    """Return every value of a file, wherever it stands."""
    if isinstance(value, dict):
        return {leaf for each in value.values() for leaf in leaves(each)}
    if isinstance(value, list):
        return {leaf for each in value for leaf in leaves(each)}
    return {json.dumps(value)}


class TestAMerge:
    def test_what_only_one_has_is_there_and_what_differs_is_kept_too(self) -> None:
        both = progress.merge(OURS, THEIRS)
        assert both["guesses"] == {"a": 1, "b": 2, "c": 4} and both["replaced"] == {"guesses": {"b": [3]}}
        assert (
            both["verdicts"] == OURS["verdicts"] and both["scores"] == THEIRS["scores"] and both["mine"] == {"x": [1]}
        )
        assert leaves(both) == leaves(OURS) | leaves(THEIRS)

    def test_twice_is_once_and_order_loses_nothing(self) -> None:
        once = progress.merge(OURS, THEIRS)
        assert progress.merge(once, THEIRS) == progress.merge(once, once) == progress.merge(once, OURS) == once
        assert leaves(progress.merge(THEIRS, OURS)) == leaves(once)

    def test_three_machines_lose_nothing(self) -> None:
        third = {"guesses": {"b": 5, "d": 6}}
        together = progress.merge(progress.merge(third, OURS), progress.merge(OURS, THEIRS))
        assert leaves(together) == leaves(OURS) | leaves(THEIRS) | leaves(third)

    def test_what_it_merges_stays_as_it_was(self) -> None:
        before = json.dumps([OURS, THEIRS])
        progress.merge(OURS, THEIRS)
        assert json.dumps([OURS, THEIRS]) == before

    @pytest.mark.parametrize(("here", "there"), [(3, 21), (21, 3)])
    def test_of_two_results_the_better_one_counts(self, here: int, there: int) -> None:
        ours, theirs = ({"exercises": {"e": {"score": score}}} for score in (here, there))
        both = progress.merge(ours, theirs)
        assert both == progress.merge(both, theirs) == progress.merge(both, ours)
        assert both["exercises"]["e"]["score"] == 21 and leaves(both) == {"3", "21"}

    @pytest.mark.parametrize(
        "damaged", [{"replaced": 5}, {"replaced": {"guesses": 5}}, {"replaced": {"guesses": {"a": 5}}}]
    )
    def test_a_damaged_part_is_no_error(self, damaged: dict[str, Any]) -> None:
        assert progress.merge(OURS, damaged)["guesses"] == OURS["guesses"]
        assert progress.merge(damaged, THEIRS)["guesses"] == THEIRS["guesses"]


class TestACopy:
    def test_it_comes_back_on_a_new_machine(self, tmp_path: Path, progress_file: Path) -> None:
        iolab.predict("k", "?", ["x", "y"]).commit("x")
        iolab.my_progress().save(str(tmp_path / "copy.json"))
        progress_file.unlink()
        assert iolab.predict("k", "?", ["x", "y"]).guess is None
        iolab.my_progress().restore(str(tmp_path / "copy.json"))
        assert iolab.predict("k", "?", ["x", "y"]).guess == "x"

    def test_so_does_one_with_nothing_but_results_of_exercises(self, tmp_path: Path, progress_file: Path) -> None:
        progress.record("exercises", "03-epoll", {"score": 21, "out_of": 21})
        copy = progress.save(tmp_path / "copy.json")
        progress_file.unlink()
        iolab.my_progress().restore(str(copy))
        assert "03-epoll 21/21" in str(iolab.my_progress())

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"cells": []}', b"\xff", b"[" * 100_000])
    def test_what_is_no_copy_changes_nothing(self, text: bytes, progress_file: Path) -> None:
        progress.record("guesses", "k", "x")
        before = progress_file.read_bytes()
        with pytest.raises(UsageError, match=r"mine is not saved progress; expected a file that `iolab\.my_progress`"):
            progress.add(text, "mine")
        assert progress_file.read_bytes() == before

    def test_what_cannot_be_read_or_written_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UsageError, match=r"cannot read .*nothing\.json: No such file"):
            progress.restore(tmp_path / "nothing.json")
        with pytest.raises(UsageError, match="choose another place"):
            progress.save(tmp_path / "no/such/folder")
        monkeypatch.setenv(settings.PROGRESS, "/no/such/folder/p.json")
        with pytest.raises(UsageError, match="set IOLAB_PROGRESS to another place"):
            progress.add(b'{"guesses": {}}')

    def test_lessons_side_by_side_lose_nothing(self) -> None:
        def learn(lesson: int) -> None:
            for number in range(20):
                progress.record("guesses", f"{lesson}-{number}", number)

        lessons = [threading.Thread(target=learn, args=(lesson,)) for lesson in range(4)]
        for lesson in lessons:
            lesson.start()
        for lesson in lessons:
            lesson.join()
        assert len(progress.read()["guesses"]) == 80


class TestTheFile:
    def test_a_lesson_and_an_exercise_share_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(settings.PROGRESS)
        exercise = tmp_path / "notebooks/exercises/03-epoll"
        exercise.mkdir(parents=True)
        (tmp_path / "notebooks" / progress.FIRST_LESSON).touch()
        for folder in (tmp_path, exercise, tmp_path / "notebooks"):
            monkeypatch.chdir(folder)
            assert progress.record("exercises", folder.name, {"score": 1}) == progress.SAVED
        assert len(progress.read()["exercises"]) == 3
        assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*.json")] == [Path("notebooks/progress.json")]

    def test_one_that_cannot_be_read_is_told_and_never_written_over(
        self, progress_file: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        progress_file.mkdir()  # root may read whatever has no permission
        assert progress.trouble().startswith(f"cannot read {progress_file} (Is a directory).")
        assert progress.record("guesses", "k", 1).startswith("Not saved: cannot write ")
        for _ in range(2):
            progress.record_or_warn("verdicts", "C1", {})
        assert capfd.readouterr().err.count("Not saved: ") == 1
        assert progress.trouble() in str(iolab.my_progress()) and progress_file.is_dir()

    def test_a_damaged_one_is_told_and_each_is_set_aside(self, progress_file: Path) -> None:
        for name in ("progress.json.damaged", "progress.json.damaged-2"):
            progress_file.write_text("[" + name)
            assert "progress.json is damaged" in progress.trouble()
            assert "progress.json is damaged" in iolab.my_progress()._repr_html_()
            assert name in progress.record("guesses", "k", 1)
            assert progress_file.with_name(name).read_text() == "[" + name
        assert progress.trouble() == "" and progress.read() == {"guesses": {"k": 1}}

    def test_a_folder_that_cannot_be_written_is_told_before_anything_is_lost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.access", lambda folder, how: False)
        assert progress.trouble().startswith("Nothing can be saved: this folder cannot be written. Set IOLAB_PROGRESS")


class TestTheMap:
    def test_it_has_every_lesson_question_claim_and_exercise(self) -> None:
        course = iolab.my_progress().stages()
        assert [stage.number for stage in course] == [f"{number:02}" for number in range(11)]
        assert all(stage.guesses for stage in course[1:]) and all(stage.points for stage in course[1:9])
        assert {claim for stage in course for claim in stage.verdicts} == set(iolab.claims.CLAIMS)
        assert {each.exercise for stage in course for each in stage.points} == set(EXERCISES)

    def test_it_shows_what_is_done_and_what_comes_next(self) -> None:
        for key, right in (("00-latency", True), ("00-omission", False)):
            progress.record("guesses", key, 1)
            progress.record("scores", key, {"guess": 1, "right": right})
        progress.record("guesses", "01-busy", "about half")
        progress.record("drills", "01-serve", True)
        progress.record("verdicts", "C1", {"word": "holds", "because": ""})
        progress.record("exercises", "01-threads", {"score": 20})
        text = str(iolab.my_progress())
        assert re.search(r"00 Start here +✓✗ ", text) and re.search(r"01 Blocking +•○○○ +✓○○○ +1 of 1", text)
        assert "1 of 1    01-break-it –/10, 01-threads 20/21" in text
        assert text.endswith("Next: go on with lesson 01, Blocking.")
        page = iolab.my_progress()._repr_html_()
        assert "C1 holds" in page and "01-threads: 20 of 21<" in page and "not judged yet: C2, C3<" in page

    def test_exercises_wait_once_their_lesson_is_done_and_the_course_has_an_end(self) -> None:
        for stage in iolab.my_progress().stages():
            for key in stage.guesses:
                progress.record("guesses", key, 1)
                progress.record("scores", key, {"guess": 1, "right": True})
            for key in stage.drills:
                progress.record("drills", key, False)
            for claim in stage.verdicts:
                progress.record("verdicts", claim, {"word": "holds", "because": ""})
        assert str(iolab.my_progress()).endswith("Next: exercise 01-break-it.")
        for name in EXERCISES:
            progress.record("exercises", name, {"score": 99})
        assert str(iolab.my_progress()).endswith("You have done everything there is. Well done!")


class TestTheButtons:
    def test_save_makes_a_link_to_what_is_there_now(self) -> None:
        save, _, outcome = copy_buttons(iolab.my_progress()).children
        progress.record("guesses", "k", "<x>")
        save.click()
        link = re.search(r'download="iolab-progress.json" href="data:application/json;base64,([^"]+)"', outcome.value)
        assert link is not None and json.loads(base64.b64decode(link[1])) == {"guesses": {"k": "<x>"}}

    def test_restore_adds_the_file_and_draws_the_map_anew_or_says_why_not(self) -> None:
        drawn: list[str] = []
        _, restore, outcome = copy_buttons(iolab.my_progress(), lambda: drawn.append(str(iolab.my_progress()))).children
        upload(restore, "<old>.json", b'{"guesses": {"01-busy": "about half"}}')
        assert "Restored &lt;old&gt;.json." in outcome.value and "•○○○" in drawn[0]
        upload(restore, "photo.json", b"\x89PNG")
        assert "Nothing was changed: photo.json is not saved progress" in outcome.value


def upload(control: ipywidgets.FileUpload, name: str, content: bytes) -> None:
    about = {"name": name, "type": "", "size": len(content), "last_modified": datetime.now(UTC)}
    control.value = (about | {"content": memoryview(content)},)
