"""Guesses: recorded, scored, and saved in a file that may be damaged, foreign or unwritable."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iolab import settings
from iolab.errors import UsageError
from iolab.notebook.predictions import Prediction, choice_buttons, predict, question_box

CHOICES = ("faster", "slower")


def choice() -> Prediction:
    return predict("k", "Which is it?", CHOICES)


def number() -> Prediction:
    return predict("n", "How many?", low=1, high=1000, unit="µs")


class TestAGuess:
    def test_is_none_until_there_is_one(self) -> None:
        assert choice().guess is None
        assert choice().score("faster").right is None
        assert str(number().score(5)) == "You made no guess. Measured: 5 µs."

    def test_that_was_not_made_is_said_once(self) -> None:
        assert number().score(5)._repr_markdown_() == "**You made no guess.** Measured: 5 µs."

    def test_is_found_again(self) -> None:
        choice().commit("slower")
        number().commit(70)
        assert (choice().guess, number().guess) == ("slower", 70)

    def test_the_last_one_counts(self) -> None:
        asked = choice()
        asked.commit("slower")
        asked.commit("faster")
        assert choice().score("faster").right is True

    @pytest.mark.parametrize(
        ("guess", "right"), [(49.9, False), (50, True), (100, True), (200, True), (200.1, False), (1, False)]
    )
    def test_a_number_is_right_within_a_factor_of_two(self, guess: float, right: bool) -> None:
        asked = number()
        asked.commit(guess)
        assert asked.score(100).right is right

    def test_a_choice_is_right_or_not(self) -> None:
        asked = choice()
        asked.commit("slower")
        assert asked.score("slower").right is True
        score = asked.score("faster")
        assert score.right is False
        assert score._repr_markdown_() == "**You were not.** Your guess: slower. Measured: faster."

    def test_an_answer_that_is_no_choice_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"the answer 'other' is not one of \['faster', 'slower'\]"):
            choice().score("other")

    @pytest.mark.parametrize("guess", ["other", 5, None])
    def test_so_is_a_guess_that_is_none(self, guess: Any) -> None:
        with pytest.raises(UsageError, match=f"the guess {guess!r} is not one of"):
            choice().commit(guess)

    @pytest.mark.parametrize("guess", ["many", None, float("nan"), [5]])
    def test_and_one_that_is_no_number(self, guess: Any) -> None:
        with pytest.raises(UsageError, match=f"the guess {re.escape(repr(guess))} is not a number of µs"):
            number().commit(guess)

    @pytest.mark.parametrize("measured", [np.float64(90), np.float32(90), np.int64(90), np.median([90, 90])])
    def test_what_numpy_measured_is_scored_and_recorded(self, measured: Any, progress_file: Path) -> None:
        asked = number()
        asked.commit(100)
        assert asked.score(measured).right is True
        assert json.loads(progress_file.read_text())["scores"]["n"] == {"guess": 100, "measured": 90, "right": True}


class TestTheQuestion:
    def test_says_what_can_be_answered(self) -> None:
        assert str(choice()) == "Which is it? (faster / slower)"
        assert str(number()) == "How many? (a number of µs from 1 to 1000)"

    def test_is_shown_as_a_control_that_records(self) -> None:
        asked = choice()
        control = choice_buttons(asked)
        assert (list(control.options), control.value) == (list(CHOICES), None)
        bundle = asked._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        assert bundle["text/plain"] == str(asked)

    def test_what_is_clicked_is_committed(self) -> None:
        buttons, slider = question_box(choice()).children[1], question_box(number()).children[1].children[1]
        buttons.value = "slower"
        slider.value = 100.0
        assert (choice().guess, number().guess) == ("slower", 100.0)

    def test_signs_of_html_are_signs(self) -> None:
        asked = predict("k", "Is 1 < 2 & <b>3</b>?", CHOICES)
        bundle = asked._repr_mimebundle_()
        assert "1 &lt; 2 &amp; &lt;b&gt;3" in bundle["text/html"]


FOREIGN = [
    "",
    "{",
    "[]",
    "5",
    "null",
    '"text"',
    '{"guesses": 5, "scores": [], "verdicts": null}',
    '{"guesses": {"k": {"a": 1}, "n": "many"}}',
    '{"guesses": {"k": "a choice of last year", "n": [5]}}',
    '{"x": "\\ud800"}',
    "\udcff\udcfe",
    "[" * 100_000,
]


@pytest.mark.parametrize("text", FOREIGN, ids=lambda text: text[:40].encode("utf-8", "replace").decode())
class TestADamagedFile:
    @pytest.fixture(autouse=True)
    def damaged(self, text: str, progress_file: Path) -> None:
        progress_file.write_bytes(text.encode("utf-8", "surrogateescape"))

    def test_is_as_good_as_none(self) -> None:
        assert choice().guess is None
        assert number().guess is None
        choice()._repr_mimebundle_()
        number()._repr_mimebundle_()

    def test_is_written_anew(self) -> None:
        choice().commit("slower")
        number().commit(7)
        assert choice().score("slower").right is True
        assert (choice().guess, number().guess) == ("slower", 7)


class TestTheFile:
    def test_other_entries_stay(self, progress_file: Path) -> None:
        progress_file.write_text('{"guesses": {"other": "kept"}, "mine": {"too": 1}}')
        choice().commit("slower")
        assert json.loads(progress_file.read_text()) == {
            "guesses": {"other": "kept", "k": "slower"},
            "mine": {"too": 1},
        }
        assert list(progress_file.parent.iterdir()) == [progress_file]

    @pytest.mark.parametrize("where", ["/proc/progress.json", "/dev/null/progress.json", "/", "/no/such/folder/p.json"])
    def test_where_nothing_can_be_written_the_lesson_runs_on(self, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(settings.PROGRESS, where)
        asked = choice()
        asked.commit("slower")
        assert asked.score("slower").right is True
        assert choice().guess is None

    def test_without_a_name_it_is_in_this_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(settings.PROGRESS, "")
        choice().commit("slower")
        monkeypatch.delenv(settings.PROGRESS)
        assert choice().guess == "slower"
        assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]

    def test_a_crash_in_the_midst_of_it_leaves_the_old_one(
        self, progress_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        choice().commit("slower")
        before = progress_file.read_bytes()

        def crash(*arguments: Any, **options: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            choice().commit("faster")
        assert progress_file.read_bytes() == before
