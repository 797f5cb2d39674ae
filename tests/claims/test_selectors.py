"""Claim C9 and its judge: made-up costs of a wait get the word that they deserve."""

import selectors
from typing import Any

import pytest

from iolab.claims import judge_default_selector
from iolab.experiments.catalogue import wait_cost
from iolab.experiments.result import Row
from iolab.experiments.waits import SELECTORS, WaitCost


def row(watched: int, call: str, us_per_wait: float | None, why_not: str = "") -> dict[str, Any]:
    return {"watched": watched, "call": call, "us_per_wait": us_per_wait, "why_not": why_not}


def costs(*rows: Row) -> WaitCost:
    return WaitCost(rows, "on CPU 0")


def both(default_us: float, other_us: float, watched: int = 800) -> WaitCost:
    return costs(row(watched, "EpollSelector", default_us), row(watched, "PollSelector", other_us))


class TestDefaultSelector:
    def test_the_cheapest_holds(self) -> None:
        verdict = judge_default_selector(both(1, 60), "EpollSelector")
        assert (verdict.claim, verdict.word) == ("C9", "holds")
        assert verdict.because == (
            "with 800 watched, EpollSelector, the default, takes 1.0 µs a wait; PollSelector 60.0"
        )

    @pytest.mark.parametrize(("default_us", "word"), [(14, "holds"), (17, "cannot tell"), (21, "fails")])
    def test_one_that_is_level_holds_and_one_that_is_dearer_fails(self, default_us: float, word: str) -> None:
        assert judge_default_selector(both(default_us, 10), "EpollSelector").word == word

    def test_the_most_descriptors_decide(self) -> None:
        few = both(5, 1, watched=10)
        assert judge_default_selector(costs(*few.rows, *both(1, 60).rows), "EpollSelector").word == "holds"

    def test_few_descriptors_cannot_tell(self) -> None:
        verdict = judge_default_selector(both(1, 60, watched=99), "EpollSelector")
        assert (verdict.word, verdict.because) == ("cannot tell", "only 99 descriptors were watched; 100 are needed")

    def test_a_size_without_figures_does_not_count(self) -> None:
        beyond = row(800, "EpollSelector", None, "no room"), row(800, "PollSelector", None, "no room")
        assert (
            "with 100 watched"
            in judge_default_selector(costs(*both(1, 9, watched=100).rows, *beyond), "EpollSelector").because
        )

    def test_one_alone_cannot_tell(self) -> None:
        assert judge_default_selector(costs(row(800, "EpollSelector", 1)), "EpollSelector").word == "cannot tell"

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            ([], "not among the selectors"),
            ([row(100, "KqueueSelector", None, "no room")], "no room"),
        ],
    )
    def test_a_default_without_a_figure_cannot_run_here(self, rows: list[dict[str, Any]], reason: str) -> None:
        verdict = judge_default_selector(costs(*rows, row(100, "PollSelector", 9)), "KqueueSelector")
        assert verdict.word == "cannot run here"
        assert reason in verdict.because

    def test_of_a_real_measurement_it_gives_the_figures_of_every_selector(self) -> None:
        record = wait_cost(calls=SELECTORS, watched=(10, 100), seconds=0.02)
        assert selectors.DefaultSelector.__name__ in SELECTORS
        verdict = judge_default_selector(record)
        assert verdict.word in ("holds", "cannot tell")
        assert all(kind in verdict.because for kind in SELECTORS)
