"""Guesses: recorded, scored, and saved in a file that may be damaged, foreign or unwritable."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from IPython.utils.capture import capture_output
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

import iolab
from iolab import settings
from iolab.errors import UsageError
from iolab.notebook.predictions import Prediction, Score, choice_buttons, number_field, predict, question_box

CHOICES = {"faster": "What most machines say.", "slower": "Tempting, but no."}


def choice() -> Prediction:
    return predict("k", "Which is it?", CHOICES)


def number() -> Prediction:
    return predict("n", "How many?", low=1, high=1000, unit="µs")


def shown(score: Score) -> str:
    """Return what a notebook shows of a score, one output after another, as text."""
    with capture_output() as captured:
        score._ipython_display_()
    return str(captured.stdout) + "".join(str(each.data) for each in captured.outputs)


class TestAGuess:
    def test_is_none_until_there_is_one(self) -> None:
        assert choice().guess is None
        assert choice().score("faster").right is None

    def test_is_found_again(self) -> None:
        choice().commit("slower")
        number().commit(70)
        assert (choice().guess, number().guess) == ("slower", 70)

    def test_can_be_changed_until_the_score_and_no_longer(self) -> None:
        asked = choice()
        asked.commit("slower")
        asked.commit("faster")
        assert asked.score("faster").right is True
        with pytest.raises(UsageError, match="has been scored; your first guess counts: faster"):
            asked.commit("slower")

    def test_the_first_one_counts_when_the_lesson_runs_again(self, progress_file: Path) -> None:
        asked = choice()
        asked.commit("slower")
        asked.score("faster")
        again = choice()
        assert again.locked
        with pytest.raises(UsageError, match="your first guess counts"):
            again.commit("faster")
        assert again.score("slower").right is True  # another run measured otherwise
        assert json.loads(progress_file.read_text())["scores"]["k"]["right"] is False

    @pytest.mark.parametrize(
        ("guess", "right"), [(49.9, False), (50, True), (100, True), (200, True), (200.1, False), (1, False)]
    )
    def test_a_number_is_right_within_a_factor_of_two(self, guess: float, right: bool) -> None:
        asked = number()
        asked.commit(guess)
        assert asked.score(100).right is right

    def test_or_within_the_factor_of_the_question(self) -> None:
        asked = predict("n", "How many?", low=1, high=1000, close=1)
        asked.commit(19)
        assert asked.score(18).right is False and asked.score(19).right is True

    def test_an_answer_that_is_no_choice_leaves_the_guess_open(self) -> None:
        asked = choice()
        asked.commit("faster")
        score = asked.score("other")
        assert str(score).startswith("None of the choices, this time.") and "Measured: other." in str(score)
        assert score.right is None and asked.score("faster").right is True

    @pytest.mark.parametrize(
        ("measured", "choice"), [(0.4, "none"), (20, "half"), (79, "half"), (np.float64(99), "all")]
    )
    def test_a_number_belongs_to_the_choice_within_whose_bounds_it_is(self, measured: Any, choice: str) -> None:
        asked = predict("k", "How busy?", {"none": "", "half": "", "all": ""}, bounds=(20, 80), unit="% of one CPU")
        asked.commit(choice)
        score = asked.score(measured)
        assert score.right and f"Measured: {choice} ({measured:.3g} % of one CPU)." in str(score)

    @pytest.mark.parametrize("bounds", [(1,), (2, 1), (1, 2, 3)])
    def test_there_is_a_bound_between_each_two_choices(self, bounds: Any) -> None:
        with pytest.raises(UsageError, match="expected bounds to be 2 rising numbers, between the choices"):
            predict("k", "How busy?", {"none": "", "half": "", "all": ""}, bounds=bounds)

    @pytest.mark.parametrize("guess", ["other", 5, None])
    def test_so_is_a_guess_that_is_none(self, guess: Any) -> None:
        with pytest.raises(UsageError, match=f"the guess {guess!r} is not one of"):
            choice().commit(guess)

    @pytest.mark.parametrize("guess", ["many", None, float("nan"), float("inf"), [5], 0, 1001])
    def test_and_one_that_is_no_number_of_the_range(self, guess: Any) -> None:
        expected = f"the guess {guess!r} is not a number of µs from 1 to 1,000"
        with pytest.raises(UsageError, match=re.escape(expected)):
            number().commit(guess)

    @pytest.mark.parametrize("measured", [np.float64(90), np.float32(90), np.int64(90), np.median([90, 90])])
    def test_what_numpy_measured_is_scored_and_recorded(self, measured: Any, progress_file: Path) -> None:
        asked = number()
        asked.commit(100)
        assert asked.score(measured).right is True
        assert json.loads(progress_file.read_text())["scores"]["n"] == {"guess": 100, "measured": 90, "right": True}


class TestAScore:
    def test_without_a_guess_spoils_nothing(self, progress_file: Path) -> None:
        score = choice().score("faster")
        assert str(score) == repr(score) == "Guess first, then run this cell again."
        before, _, folded = score._repr_html_().partition("<details>")
        assert "Guess first" in before and "faster" not in before and "Measured: faster." in folded
        assert not progress_file.exists()

    def test_folds_its_evidence_until_there_is_a_guess(self) -> None:
        evidence = iolab.Table([{"model": "epoll", "replies": 30}]), "30 & no more"
        unanswered = choice().score("faster", *evidence)
        before, _, folded = unanswered._repr_html_().partition("<details>")
        assert "epoll" not in before and "<td" in folded and "epoll" in folded and "<pre>30 &amp; no more" in folded
        assert "epoll" not in shown(unanswered).partition("<details>")[0]
        asked = choice()
        asked.commit("slower")
        answered = asked.score("faster", *evidence)
        assert "epoll" not in answered._repr_html_() and "epoll" in shown(answered).partition("Not what was")[0]

    @pytest.mark.parametrize(
        ("guess", "says"),
        [
            (100, "Spot on."),
            (40, "2.5 times too low."),
            (63, "Close: 1.6 times too low."),
            (1000, "10 times too high."),
        ],
    )
    def test_a_number_is_told_by_its_factor(self, guess: float, says: str) -> None:
        asked = number()
        asked.commit(guess)
        assert str(asked.score(100)).startswith(says)

    def test_without_a_factor_it_is_compared_all_the_same(self) -> None:
        asked = number()
        asked.commit(5)
        assert str(asked.score(0)) == "Not what was measured. You guessed 5 µs. Measured: 0 µs."

    def test_a_wrong_choice_is_told_why(self) -> None:
        asked = choice()
        asked.commit("slower")
        score = asked.score("faster", seen="2 < 3")
        assert str(score) == "Not what was measured. You guessed slower. Measured: faster (2 < 3). Tempting, but no."
        assert "(2 &lt; 3)" in score._repr_html_()

    def test_who_was_right_can_read_why_not_the_others(self) -> None:
        asked = choice()
        asked.commit("faster")
        score = asked.score("faster")
        assert str(score) == "You were right. You guessed faster. Measured: faster."
        assert "<details>" in score._repr_html_() and "<b>slower</b>: Tempting, but no." in score._repr_html_()


class TestTheQuestion:
    def test_says_what_can_be_answered(self) -> None:
        assert str(choice()) == "Which is it? (faster / slower)"
        assert str(number()) == "How many? (a number of µs from 1 to 1,000)"

    def test_shows_code_as_code(self) -> None:
        asked = predict("c", "Is `a < b`?", {"yes": "`a` is 2.", "no": ""})
        asked.commit("yes")
        assert "<code>a &lt; b</code>" in question_box(asked).children[0].value
        assert "<code>a</code> is 2." in asked.score("no")._repr_html_()

    def test_starts_without_a_value(self) -> None:
        assert choice_buttons(choice()).value is None
        assert number_field(number()).value == ""

    def test_is_shown_as_a_control_and_as_text_where_there_is_none(self, shown: list[dict[str, Any]]) -> None:
        predict("k", "Is 1 < 2 & <b>3</b>?", CHOICES)._ipython_display_()
        text, control = shown
        assert "1 &lt; 2 &amp; &lt;b&gt;3" in text["text/html"] and "<li>slower</li>" in text["text/html"]
        assert text["text/plain"] == "Is 1 < 2 & <b>3</b>? (faster / slower)"
        assert "application/vnd.jupyter.widget-view+json" in control

    def test_it_does_not_vanish_from_a_page_of_nbconvert(self, shown: list[dict[str, Any]]) -> None:
        choice()._ipython_display_()
        outputs = [new_output("display_data", data=data) for data in shown]
        book = new_notebook(cells=[new_code_cell("guess", outputs=outputs)])
        page, _ = HTMLExporter().from_notebook_node(book)  # type: ignore[no-untyped-call]
        body = page.partition("<main>")[2]
        assert "<b>Which is it?</b>" in body and "<li>faster</li><li>slower</li>" in body

    def test_a_click_is_committed_with_a_receipt_and_locked_by_the_score(self) -> None:
        asked = choice()
        _, buttons, line, _ = question_box(asked).children
        assert "saved as soon as you make it" in line.value
        buttons.value = "slower"
        assert choice().guess == "slower" and "✓ Saved:</b> slower" in line.value
        asked.score("faster")
        assert buttons.disabled and "Locked:</b> slower" in line.value

    @pytest.mark.parametrize("written", ["100", " 1e2 ", "100 µs", "1_00"])
    def test_a_number_is_read_as_people_write_it(self, written: str) -> None:
        _, field, line, _ = question_box(number()).children
        field.value = written
        assert number().guess == 100 and "✓ Saved:</b> 100 µs" in line.value

    @pytest.mark.parametrize("written", ["<b>", "nan", "1e9", "-5"])
    def test_what_is_none_is_told_and_not_saved(self, written: str) -> None:
        _, field, line, _ = question_box(number()).children
        field.value = written
        assert "Not saved: the guess" in line.value and "from 1 to 1,000" in line.value and "<b>" not in line.value
        assert number().guess is None


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


def is_progress(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


@pytest.mark.parametrize("text", FOREIGN, ids=lambda text: text[:40].encode("utf-8", "replace").decode())
class TestADamagedFile:
    @pytest.fixture(autouse=True)
    def damaged(self, text: str, progress_file: Path) -> None:
        progress_file.write_bytes(text.encode("utf-8", "surrogateescape"))

    def test_is_as_good_as_none(self) -> None:
        assert choice().guess is None
        assert number().guess is None
        question_box(choice())
        question_box(number())

    def test_is_set_aside_and_a_new_one_begins(self, progress_file: Path) -> None:
        before = progress_file.read_bytes()
        asked = choice()
        asked.commit("slower")
        number().commit(7)
        if not is_progress(before):
            assert "was damaged: it is now progress.json.damaged" in asked.receipt
            assert progress_file.with_name("progress.json.damaged").read_bytes() == before
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
        _, buttons, line, _ = question_box(asked).children
        buttons.value = "slower"
        assert "Not saved: cannot write " in line.value and "Set IOLAB_PROGRESS to another file." in line.value
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
