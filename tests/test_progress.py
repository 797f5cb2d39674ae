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
        assert str(iolab.my_progress()) == "0 guesses, 0 of them right; 0 verdicts."
        iolab.my_progress().restore(str(tmp_path / "copy.json"))
        assert iolab.predict("k", "?", ["x", "y"]).guess == "x"
        assert str(iolab.my_progress()) == "1 guess, 0 of them right; 0 verdicts."

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


class TestThePanel:
    def test_without_a_browser_it_is_a_line(self) -> None:
        progress.record("scores", "k", {"right": True})
        bundle = iolab.my_progress()._repr_mimebundle_()
        assert bundle["text/plain"] == "0 guesses, 1 of them right; 0 verdicts."
        assert "application/vnd.jupyter.widget-view+json" in bundle

    def test_save_makes_a_link_to_what_is_there_now(self) -> None:
        box = copy_buttons(iolab.my_progress())
        save, _, outcome = box.children[1].children
        progress.record("guesses", "k", "<x>")
        save.click()
        link = re.search(r'download="iolab-progress.json" href="data:application/json;base64,([^"]+)"', outcome.value)
        assert link is not None and json.loads(base64.b64decode(link[1])) == {"guesses": {"k": "<x>"}}
        assert box.children[0].value.startswith("1 guess,")

    def test_restore_adds_the_file_or_says_why_not(self) -> None:
        box = copy_buttons(iolab.my_progress())
        _, restore, outcome = box.children[1].children
        upload(restore, "<old>.json", b'{"guesses": {"k": "x"}}')
        assert "Restored &lt;old&gt;.json." in outcome.value and box.children[0].value.startswith("1 guess,")
        upload(restore, "photo.json", b"\x89PNG")
        assert "Nothing was changed: photo.json is not saved progress" in outcome.value


def upload(control: ipywidgets.FileUpload, name: str, content: bytes) -> None:
    about = {"name": name, "type": "", "size": len(content), "last_modified": datetime.now(UTC)}
    control.value = (about | {"content": memoryview(content)},)
