"""What a learner sees of a drill: a sentence, hints one in another, the solution last; and a mark on the map."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import iolab
from iolab import course
from iolab.course.drills import DRILLS, UNFILLED
from iolab.course.drills.turn import solved


def blanks(connection: Any, unsent: Any) -> Any:
    return connection[...] + unsent


def wrong(connection: Any, unsent: Any) -> Any:
    return connection.send(unsent)


def right(connection: Any, unsent: Any) -> Any:
    try:
        sent = connection.send(unsent)
    except BlockingIOError:
        sent = 0
    return unsent[sent:]


def try_out(function: Callable[..., Any]) -> Any:
    return course.try_out("02-send", function)


class TestATurn:
    def test_with_blanks_says_what_to_do_offers_hints_and_hides_the_solution(self, progress_file: Path) -> None:
        turn = try_out(blanks)
        assert str(turn) == repr(turn) == UNFILLED
        page = turn._repr_html_()
        assert page.count(UNFILLED) == 1 and page.count("<summary>") == 3
        assert DRILLS["02-send"].solution.splitlines()[2].strip() not in page
        assert not progress_file.exists()

    def test_that_is_wrong_says_why_and_has_the_solution_behind_the_last_hint(self) -> None:
        turn = try_out(wrong)
        assert str(turn).startswith("Not yet. Ten million bytes were to be sent. Your function returned ")
        page = turn._repr_html_()
        assert "<b>Not yet.</b>" in page
        assert page.index("A hint") < page.index("One more hint") < page.index("The last hint")
        assert page.index("The last hint") < page.index("The solution") < page.index("<pre>def send_some(")

    def test_that_is_right_shows_how_the_course_writes_it(self) -> None:
        turn = try_out(right)
        assert str(turn) == "Right. Ten million bytes went out in parts, and not one was lost."
        assert "How the course writes it" in turn._repr_html_() and "A hint" not in turn._repr_html_()

    @pytest.mark.parametrize("function", [blanks, wrong])
    def test_hands_on_a_function_that_works(self, function: Callable[..., Any]) -> None:
        assert inspect.getsource(try_out(function).function) == DRILLS["02-send"].solution
        assert try_out(right).function is right

    def test_code_in_a_sentence_is_shown_as_code_and_nothing_is_markup(self) -> None:
        page = course.try_out("01-serve", lambda listening, respond: "<b>")._repr_html_()
        assert "<code>accept</code>" in page and "<b>&quot;" not in page

    def test_of_an_unknown_name_is_told_the_nearest(self) -> None:
        with pytest.raises(iolab.UsageError, match="there is no drill '02-sent'; did you mean 02-send"):
            course.try_out("02-sent", right)


class TestTheMap:
    def test_what_was_right_once_stays_right(self, progress_file: Path) -> None:
        for function, mark in ((wrong, False), (right, True), (wrong, True)):
            try_out(function)
            assert json.loads(progress_file.read_text())["drills"] == {"02-send": mark}


def test_every_solution_can_be_read() -> None:
    for key, drill in DRILLS.items():
        assert inspect.getsource(solved(key, drill)) == drill.solution
