"""Stories are the same for a seed, can be cut anywhere, and shrink to what makes a server fail."""

import random
from collections.abc import Callable

import pytest

from iolab.exercises.properties import scenes
from iolab.exercises.stories import Fault, Step, Story, shrink, tell

DRAWINGS = [getattr(scenes, name) for name in dir(scenes) if name.startswith("draw_")]


@pytest.mark.parametrize("draw_story", DRAWINGS, ids=lambda each: each.__name__)
def test_a_story_is_the_same_for_a_seed_and_another_one_for_another(
    draw_story: Callable[[random.Random], Story],
) -> None:
    assert list(draw_story(random.Random(1))) == list(draw_story(random.Random(1)))
    assert list(draw_story(random.Random(1))) != list(draw_story(random.Random(2)))


@pytest.mark.parametrize("draw_story", DRAWINGS, ids=lambda each: each.__name__)
def test_a_client_acts_only_between_its_connection_and_its_end(draw_story: Callable[[random.Random], Story]) -> None:
    for seed in range(20):
        alive: set[int] = set()
        for step in draw_story(random.Random(seed)):
            if step.act == "open":
                assert step.client not in alive
                alive.add(step.client)
            elif step.act == "ask":
                assert step.client in alive
            elif step.act in ("reset", "leave"):
                alive.discard(step.client)


def test_a_failing_story_shrinks_to_the_clients_that_make_it_fail() -> None:
    story = scenes.slow_readers(random.Random(1), iter(range(1, 99)), ("reset",), 3)
    slow = [step.client for step in story if step.act == "open" and step.amount == 1]
    first, second = slow[0], slow[1]

    def play(steps: Story, _: float = 0) -> Fault | None:
        opened = [step.client for step in steps if step.act == "open"]
        at = next((place for place, step in enumerate(steps) if step == Step("read", second)), None)
        if first in opened and second in opened and at is not None:
            return Fault("bytes", f"client {second} received 10 bytes that belonged to client {first}", at)
        return None

    fault = play(story)
    assert fault
    shortest, again = shrink(story, fault, play)
    assert [step.act for step in shortest] == ["open", "open", "read"]
    assert "client 2 received 10 bytes that belonged to client 1" in tell(shortest, again, 1)


def test_another_fault_does_not_count_as_the_same() -> None:
    story = [Step("open", 1), Step("ask", 1, 10), Step("read", 1)]
    fault = Fault("one", "client 1 failed", 2)
    assert shrink(story, fault, lambda steps, _: Fault("another", "client 1 failed", 0)) == (story, fault)


def test_it_is_told_what_clients_did_together() -> None:
    story = [step for each in (4, 9) for step in (Step("open", each, 1), Step("ask", each, 50), Step("reset", each))]
    assert tell(story, Fault("cpu", "the server uses 50 % of a CPU", 5), 100) == (
        "clients 1 and 2 each asked for 5,000 bytes, read none and reset the connection; "
        "then the server uses 50 % of a CPU"
    )
