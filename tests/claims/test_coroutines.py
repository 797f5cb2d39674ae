"""Claims of lesson 07: made-up loops, attempts and sleeps get the word that they deserve."""

import asyncio
import selectors
from collections.abc import Iterator
from typing import Any, cast

import pytest

from iolab.claims import judge_asyncio, judge_generator_coroutines, judge_two_sleeps
from iolab.claims.coroutines import AWAIT, DECORATOR, Span

GONE = AttributeError("module 'asyncio' has no attribute 'coroutine'")


@pytest.fixture
def loop() -> Iterator[asyncio.SelectorEventLoop]:
    made = asyncio.SelectorEventLoop()
    yield made
    made.close()


class TestAsyncio:
    def test_a_selector_is_readiness_and_the_claim_fails(self, loop: asyncio.SelectorEventLoop) -> None:
        verdict = judge_asyncio(loop)
        assert (verdict.claim, verdict.word) == ("C12", "fails")
        assert selectors.DefaultSelector.__name__ in verdict.because
        assert judge_asyncio() == verdict  # of a loop that Python makes by itself

    def test_a_proactor_is_completion_and_it_holds(
        self, loop: asyncio.SelectorEventLoop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asyncio, "ProactorEventLoop", type(loop), raising=False)
        assert judge_asyncio(loop).word == "holds"

    def test_a_loop_of_somebody_else_cannot_tell(self) -> None:
        assert judge_asyncio(cast("Any", asyncio.AbstractEventLoop)()).word == "cannot tell"

    def test_a_selector_of_somebody_else_cannot_tell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Made(selectors.DefaultSelector):
            pass

        loop = asyncio.SelectorEventLoop(Made())
        try:
            assert judge_asyncio(loop).word == "cannot tell"
        finally:
            loop.close()


class TestGeneratorCoroutines:
    def test_what_is_gone_and_what_runs_hold(self) -> None:
        verdict = judge_generator_coroutines({DECORATOR: GONE, AWAIT: None})
        assert (verdict.claim, verdict.word) == ("C13", "holds")
        assert verdict.because == f"@asyncio.coroutine: {GONE!r}; async and await: runs"

    def test_a_decorator_that_still_runs_fails(self) -> None:
        assert judge_generator_coroutines({DECORATOR: None, AWAIT: None}).word == "fails"

    @pytest.mark.parametrize(
        "attempts",
        [
            {},
            {DECORATOR: GONE},
            {AWAIT: None},
            {DECORATOR: OSError(), AWAIT: None},
            {DECORATOR: GONE, AWAIT: OSError()},
        ],
    )
    def test_half_a_trial_or_another_error_cannot_tell(self, attempts: dict[str, BaseException | None]) -> None:
        assert judge_generator_coroutines(attempts).word == "cannot tell"


class TestTwoSleeps:
    @pytest.mark.parametrize(
        ("spans", "word"),
        [
            ([(0, 1.001), (0.001, 1.003)], "holds"),
            ([(0, 1.0), (0.2, 1.4)], "holds"),
            ([(0, 1.0), (1.0, 2.0)], "fails"),
            ([(0, 1.9), (0, 2.1)], "cannot tell"),
            ([(0, 0.5), (0, 1.0)], "cannot tell"),
            ([(0, 1.0)], "cannot tell"),
            ([], "cannot tell"),
        ],
    )
    def test_by_when_both_had_ended(self, spans: list[Span], word: str) -> None:
        verdict = judge_two_sleeps(spans)
        assert (verdict.claim, verdict.word) == ("C14", word)

    def test_the_reason_has_the_figures(self) -> None:
        assert judge_two_sleeps([(5, 6.001), (5, 6.003)]).because == "both had ended after 1.00 s, 2.0 ms apart"

    def test_shorter_sleeps_are_held_against_what_was_asked(self) -> None:
        assert judge_two_sleeps([(0, 0.1), (0, 0.1)], asked_s=0.1).word == "holds"
