"""Mutants of a text are each changed in one place, and variants mean the same."""

import ast
import random

import pytest

from iolab.exercises.stories import Step
from tools.mutants import BREAK, COURSE, KEEP, list_answers, mutate, wander

TEXT = """
import select


def serve(listening, respond):
    unsent = {}
    def send(descriptor, reply):
        try:
            sent = descriptor.send(reply)
        except BlockingIOError:
            sent = 0
        if sent < len(reply):
            unsent[descriptor] = reply[sent:]
        else:
            unsent.pop(descriptor)
    send(listening.recv(65536), respond(b''))
"""


def test_every_operator_finds_its_place() -> None:
    changes = {mutant.change for mutant in mutate("03-epoll", "this", TEXT, BREAK)}
    assert {
        "without `unsent.pop(descriptor)`",
        "`not` before `sent < len(reply)`",
        "another bound in `sent < len(reply)`",
        "no `except BlockingIOError`",
        "one place in `unsent` for all",
        "one more in `sent:`",
    } <= changes


def test_a_mutant_is_another_text_that_compiles() -> None:
    texts = [mutant.text for mutant in mutate("03-epoll", "this", TEXT, (*BREAK, *KEEP))]
    assert len(set(texts)) > 20
    for text in texts:
        ast.parse(text)
        assert text != ast.unparse(ast.parse(TEXT))


def test_a_renamed_answer_keeps_the_name_that_is_called() -> None:
    for mutant in mutate("03-epoll", "this", TEXT, KEEP[:1]):
        assert "def serve(" in mutant.text
        assert "def send(" not in mutant.text


@pytest.mark.parametrize("exercise", COURSE)
def test_answers_that_measure_are_not_those_that_the_judge_was_tuned_on(exercise: str) -> None:
    tune, measure = (set(list_answers(exercise, kind).values()) for kind in ("tune", "measure"))
    assert tune
    assert measure
    assert not tune & measure


def test_a_long_story_ends_at_rest() -> None:
    steps = list(wander(random.Random(1)))
    assert len(steps) > 80
    assert steps[-1] == Step("settle")
