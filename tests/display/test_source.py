"""Servers as texts: the source, the diff and the card."""

import html
from typing import Any

import pytest

import iolab
from iolab.display.tables import Table
from iolab.errors import UsageError

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestTexts:
    def test_the_source_has_no_card_and_begins_with_code(self) -> None:
        text = iolab.source("blocking")
        assert "Model:" not in text
        assert text.splitlines()[0].startswith(("import ", "from "))
        assert "def serve(listening" in text
        assert text._repr_mimebundle_()["text/markdown"].startswith("```python\n")

    def test_the_source_of_a_function_is_its_own(self) -> None:
        assert iolab.source(iolab.replies.upper).startswith("def upper(request: bytes) -> bytes:")

    def test_the_source_of_a_method_begins_at_the_margin(self) -> None:
        lines = iolab.source(Table._repr_html_).splitlines()
        assert lines[0].startswith("def _repr_html_(self)") and lines[1].startswith("    return")

    def test_a_diff_shows_what_changes_and_nothing_of_the_cards(self) -> None:
        text = iolab.diff("blocking", "threads")
        assert text._repr_mimebundle_()["text/markdown"].startswith("```diff\n")
        assert any(line.startswith("+") and "Thread(" in line for line in text.splitlines())
        assert "Waits in" not in text

    def test_a_model_does_not_differ_from_itself(self) -> None:
        assert iolab.diff("epoll", "epoll") == ""

    def test_a_card_has_six_rows(self) -> None:
        card = iolab.card("epoll")
        assert len(card) == 6
        assert all(html.escape(line) in card._repr_html_() for line in card.values())

    @pytest.mark.parametrize("ask", [iolab.source, iolab.card, lambda name: iolab.diff("epoll", name)])
    def test_an_unknown_model_is_told_the_names(self, ask: Any) -> None:
        with pytest.raises(UsageError, match="did you mean threads"):
            ask("thread")


def test_functions_are_compared_too() -> None:
    def one(a: int) -> int:
        return a

    def two(a: int) -> int:
        return a + 1

    text = iolab.diff(one, two)
    assert text.startswith("--- one\n+++ two\n") and text.endswith("+    return a + 1")
