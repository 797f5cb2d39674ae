"""Claim C9 and its judge: made-up costs of a wait get the word that they deserve."""

import selectors
from typing import Any

import pytest

from iolab.claims import judge_default_selector
from iolab.experiments import ONCE, takes_files
from iolab.experiments.catalogue import wait_cost
from iolab.experiments.result import Row
from iolab.experiments.waits import SELECTORS, WaitCost

TAKES = {"EpollSelector": True, "PollSelector": True}
REFUSES = {"EpollSelector": False, "PollSelector": True}


def row(watched: int, call: str, us_per_wait: float | None, why_not: str = "") -> dict[str, Any]:
    return {"watched": watched, "call": call, "us_per_wait": us_per_wait, "why_not": why_not}


def costs(*rows: Row) -> WaitCost:
    return WaitCost(rows, "on CPU 0")


def both(default_us: float, other_us: float, watched: int = 800, use: str = "") -> list[Row]:
    return [row(watched, f"EpollSelector{use}", default_us), row(watched, f"PollSelector{use}", other_us)]


def word(*rows: Row, takes: dict[str, bool] = TAKES) -> str:
    return judge_default_selector(costs(*rows), takes, "EpollSelector").word


class TestDefaultSelector:
    def test_the_cheapest_at_every_count_and_use_holds(self) -> None:
        rows = [
            each
            for watched in (1, 10, 800)
            for use in ("", ", once")
            for each in both(1, 1 + watched / 9, watched, use)
        ]
        verdict = judge_default_selector(costs(*rows), TAKES, "EpollSelector")
        assert (verdict.claim, verdict.word) == ("C9", "holds")
        assert "800 watched, kept: EpollSelector 1.0 µs, PollSelector 89.9" in verdict.because
        assert "10 watched, used once: EpollSelector 1.0 µs, PollSelector 2.1" in verdict.because

    @pytest.mark.parametrize(("default_us", "judged"), [(14, "holds"), (17, "cannot tell"), (21, "fails in part")])
    def test_one_that_is_level_holds_and_one_that_is_dearer_fails(self, default_us: float, judged: str) -> None:
        assert word(*both(default_us, 10)) == judged

    def test_the_most_descriptors_alone_do_not_decide(self) -> None:
        assert word(*both(18, 7.3, watched=10), *both(1, 60)) == "fails in part"

    def test_a_single_wait_counts_as_well(self) -> None:
        assert word(*both(1, 60), *both(24, 8, 10, ", once")) == "fails in part"

    def test_a_file_that_it_cannot_watch_counts_as_well(self) -> None:
        verdict = judge_default_selector(costs(*both(1, 60)), REFUSES, "EpollSelector")
        assert verdict.word == "fails in part"
        assert verdict.because.endswith("EpollSelector refuses a regular file, PollSelector takes it")

    def test_a_file_that_none_can_watch_does_not(self) -> None:
        assert word(*both(1, 60), takes=dict.fromkeys(TAKES, False)) == "holds"

    def test_dearer_in_all_fails(self) -> None:
        assert word(*both(60, 1), *both(60, 1, use=", once"), takes=REFUSES) == "fails"

    def test_a_size_without_figures_does_not_count(self) -> None:
        beyond = row(800, "EpollSelector", None, "no room"), row(800, "PollSelector", None, "no room")
        because = judge_default_selector(costs(*both(1, 9, watched=100), *beyond), TAKES, "EpollSelector").because
        assert because.startswith("100 watched, kept") and "800" not in because

    def test_one_alone_cannot_tell(self) -> None:
        assert word(row(800, "EpollSelector", 1), takes={"EpollSelector": False}) == "cannot tell"

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            ([], "not among the selectors"),
            ([row(100, "KqueueSelector", None, "no room")], "no room"),
        ],
    )
    def test_a_default_without_a_figure_cannot_run_here(self, rows: list[dict[str, Any]], reason: str) -> None:
        verdict = judge_default_selector(costs(*rows, row(100, "PollSelector", 9)), TAKES, "KqueueSelector")
        assert verdict.word == "cannot run here"
        assert reason in verdict.because

    def test_of_a_real_measurement_it_gives_the_figures_of_the_default(self) -> None:
        record = wait_cost(calls=(*SELECTORS, *ONCE), watched=(1, 10), seconds=0.02)
        assert selectors.DefaultSelector.__name__ in SELECTORS
        verdict = judge_default_selector(record, takes_files())
        assert verdict.word in ("fails in part", "cannot tell", "holds")
        assert all(part in verdict.because for part in ("1 watched, kept", "10 watched, used once", "regular file"))


@pytest.mark.skipif("EpollSelector" not in SELECTORS, reason="this system has no epoll")
def test_epoll_refuses_a_file_and_poll_takes_it() -> None:
    takes = takes_files()
    assert (takes["EpollSelector"], takes["PollSelector"]) == (False, True)
