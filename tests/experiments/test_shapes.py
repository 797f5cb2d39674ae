"""The judges of the experiments: made-up data in, a word out, and never a second in between."""

from collections.abc import Callable

import pytest

import iolab
from iolab.experiments import EXPERIMENTS, IdleCost, Result, WaitCost
from iolab.experiments.connections import signs as connection_signs
from iolab.experiments.idle_connections import signs as idle_signs
from iolab.experiments.shape import Shape, alike, at_least, at_most, conclude, exponent, missing, over, short
from iolab.experiments.waits import signs as wait_signs
from tests.made_up import (
    WORDS,
    balances,
    copies,
    equals,
    file_costs,
    gains,
    gils,
    herds,
    idles,
    memories,
    ring_costs,
    stalls,
    waits,
)

MADE_UP: list[tuple[str, Callable[[], Result]]] = [
    ("holds", lambda: waits()),
    ("holds", lambda: waits(us=1e6)),  # a machine that is 100,000 times as slow has the same shape
    ("holds", lambda: waits(select=1.2, poll=1.3, epoll=0.1)),
    ("holds", lambda: copies(1, 70)),
    ("fails", lambda: copies(1, 1.5)),
    ("cannot tell", lambda: copies(1, 5)),
    ("cannot run here", lambda: copies(None, None)),
    ("fails", lambda: waits(epoll=1.0)),
    ("fails", lambda: waits(poll=0.1)),
    ("fails", lambda: waits(select=0.2)),
    ("cannot tell", lambda: waits(epoll=0.45)),
    ("cannot tell", lambda: waits(poll=0.6)),
    ("cannot run here", lambda: waits(most=10)),
    ("holds", lambda: idles()),
    ("holds", lambda: idles(select=None)),
    ("fails", lambda: idles(epoll=4.0)),
    ("fails", lambda: idles(poll=1.0)),
    ("cannot tell", lambda: idles(poll=1.7, epoll=0.8)),
    ("cannot run here", lambda: idles(select=None, poll=None, epoll=None)),
    ("holds", lambda: stalls(130, 130, 90_000)),
    ("fails", lambda: stalls(130, 90_000, 90_000)),
    ("fails", lambda: stalls(90_000, 130, 90_000)),
    ("fails", lambda: stalls(130, 130, 10_000)),
    ("cannot tell", lambda: stalls(130, 15_000, 90_000)),
    ("cannot run here", lambda: stalls(None, None, None)),
    ("holds", lambda: gils(12_000, 9_000, 142)),
    ("fails", lambda: gils(12_000, 9_000, 11_000)),
    ("fails", lambda: gils(12_000, 20_000, 142)),
    ("cannot tell", lambda: gils(12_000, 9_000, 2_000)),
    ("holds", lambda: gils(12_000, 9_000, None, "this Python has no GIL")),
    ("cannot run here", lambda: gils(None, None, None, "made up to be missing")),
    ("holds", lambda: ring_costs(10, 9)),
    ("fails", lambda: ring_costs(10, 12)),
    ("fails", lambda: ring_costs(10, 9, calls=3.0)),
    ("cannot tell", lambda: ring_costs(10, 10.5)),
    ("cannot run here", lambda: ring_costs(None, None)),
    ("holds", lambda: file_costs(2000, 5)),
    ("fails", lambda: file_costs(500, 5)),
    ("fails", lambda: file_costs(2000, 15)),
    ("cannot tell", lambda: file_costs(950, 5)),
    ("cannot run here", lambda: file_costs(None, None)),
    ("holds", lambda: memories(21_000, 350, 6_000)),
    ("fails", lambda: memories(500, 350, 6_000)),
    ("fails", lambda: memories(900_000, 350, 6_000)),
    ("cannot tell", lambda: memories(21_000, 350, 18_000)),
    ("cannot run here", lambda: memories(None, None, None)),
    ("holds", lambda: herds(8.1, 1.0)),
    ("fails", lambda: herds(2.0, 1.0)),
    ("fails", lambda: herds(8.1, 4.0)),
    ("cannot tell", lambda: herds(8.1, 1.0, cost=1.1)),
    ("cannot run here", lambda: herds(None, None)),
    ("holds", lambda: balances(1.0, 0.3)),
    ("fails", lambda: balances(0.3, 0.3)),
    ("fails", lambda: balances(1.0, 0.3, tail=1.0)),
    ("cannot tell", lambda: balances(1.0, 0.3, tail=2.0)),
    ("cannot run here", lambda: balances(None, None)),
    ("holds", lambda: gains(1.95, 0.98)),
    ("fails", lambda: gains(1.0, 0.98)),
    ("fails", lambda: gains(1.95, 1.9)),
    ("cannot tell", lambda: gains(1.5, 0.98)),
    ("cannot run here", lambda: gains(1.0, 0.98, workers=1)),
    ("holds", lambda: equals(1)),
    ("holds", lambda: equals(0)),
    ("fails", lambda: equals(5)),
    ("fails", lambda: equals(2, rankings=2)),
    ("cannot tell", lambda: equals(0, rankings=19)),
    ("holds", lambda: equals(3)),  # a promise that is just kept shows as many in one run of thirteen
    ("cannot tell", lambda: equals(4)),
    ("cannot run here", lambda: equals(None)),
]


class TestJudges:
    @pytest.mark.parametrize(("word", "made_up"), MADE_UP)
    def test_made_up_data_gets_its_word(self, word: str, made_up: Callable[[], Result]) -> None:
        verdict = made_up().verdict
        assert verdict.word == word, verdict.because
        assert verdict.because and str(verdict).startswith(f"same shape: {word}. ")

    def test_every_experiment_is_judged_with_every_word(self) -> None:
        judged = {name: {word for word, made_up in MADE_UP if made_up().name == name} for name in EXPERIMENTS}
        assert judged == {name: set(WORDS) for name in EXPERIMENTS}

    def test_the_published_table_says_what_grows(self) -> None:
        published = list(iolab.reference("tlpi-63-9"))
        upside_down = [dict(row) | {"epoll_s": row["poll_s"]} for row in published]
        assert conclude(wait_signs(waits().rows, published)).word == "holds"
        assert conclude(wait_signs(waits().rows, upside_down)).word == "fails"
        assert conclude(idle_signs(idles().rows, upside_down)).word == "fails"

    def test_without_the_published_table_growth_is_not_judged(self) -> None:
        words = {sign.what: sign.word for sign in wait_signs(waits().rows, [])}
        assert words == {
            "poll, exponent of growth": "cannot run here",
            "select, exponent of growth": "cannot run here",
            "epoll, exponent of growth": "cannot run here",
            "poll over epoll, where most are watched": "holds",
        }
        assert {sign.word for sign in idle_signs(idles().rows, [])[:3]} == {"cannot run here"}

    def test_the_published_table_has_its_own_shape(self) -> None:
        for name in ("tlpi-63-9", "lca-2006"):
            rows = [
                {"watched": row["watched"], "call": call, "us_per_wait": row[f"{call}_s"] * 10, "why_not": ""}
                for row in iolab.reference(name)
                for call in ("poll", "select", "epoll")
            ]
            assert WaitCost(tuple(rows), "").verdict.word == "holds"

    def test_the_budget_is_that_of_the_reference(self) -> None:
        rows = memories(21_000, 350, 6_000).rows
        tight = [dict(row) | {"per_client": 5} for row in iolab.reference("c10k-budget")]
        assert conclude(connection_signs(rows, tight)).word == "fails"

    def test_a_python_without_a_gil_is_told_so(self) -> None:
        assert "this Python has no GIL" in gils(12_000, 9_000, None, "this Python has no GIL").verdict.because


class TestShape:
    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0, -1.0])
    def test_the_exponent_of_a_power_law_is_its_power(self, power: float) -> None:
        assert exponent((size, 3 * size**power) for size in (10, 100, 5000)) == pytest.approx(power)

    def test_one_size_has_no_exponent(self) -> None:
        assert exponent([(100, 5.0)]) is None
        assert exponent([(100, 5.0), (1000, None)]) is None
        assert exponent([]) is None

    def test_the_bounds(self) -> None:
        least = [at_least("x", value, 10, fails_below=3).word for value in (10, 9.9, 3, 2.9)]
        most = [at_most("x", value, 1, fails_above=2).word for value in (1, 1.1, 2, 2.1)]
        assert least == most == ["holds", "cannot tell", "cannot tell", "fails"]
        assert at_least("x", None, 1, fails_below=1).word == at_most("x", None, 1, fails_above=1).word
        assert at_least("x", None, 1, fails_below=1).word == "cannot run here"

    def test_the_figures_are_said(self) -> None:
        assert (
            at_least("x", 2500.4, 10, fails_below=3, published=210).because
            == "x: 2,500 (expected 10 or more, published 210)"
        )
        assert at_most("x", 0.12345, 1, fails_above=2).because == "x: 0.123 (expected 1 or less)"
        assert (short(None), short(999.4), short(1000.0)) == ("–", "999", "1,000")

    def test_what_is_missing_lowers_no_word(self) -> None:
        holds = at_least("x", 10, 10, fails_below=3)
        assert conclude([missing("y"), holds]).word == "holds"
        assert conclude([missing("y")]).word == conclude([]).word == "cannot run here"

    def test_a_reason_of_all_is_said_once(self) -> None:
        alike_ = [missing("x", "it needs 5"), missing("y", "it needs 5")]
        assert str(conclude(alike_)) == "same shape: cannot run here. it needs 5"
        assert "x: cannot run here, it needs 5" in conclude([*alike_, missing("z")]).because
        assert conclude(alike_[:1]).because == "x: cannot run here, it needs 5"

    def test_sizes_that_do_not_tell_say_which_would(self) -> None:
        few = IdleCost(tuple({**row, "idle": row["idle"] // 9} for row in idles().rows), "")
        assert few.verdict.because == "it needs runs with 0 and with 500 idle connections"
        assert "it needs" not in idles(poll=None, epoll=None).verdict.because
        assert "it needs two numbers of descriptors from 100 on" in waits(most=100).verdict.because
        assert "it needs 1,000 descriptors" in waits(most=500).verdict.because

    def test_two_runs_are_alike_by_their_words(self) -> None:
        def words(x: float | None, y: float | None) -> Shape:
            ours, theirs = (at_least("x", value, 10, fails_below=3) for value in (x, y))
            return alike([ours], [theirs])

        assert words(11, 4000).word == "holds" and words(11, 4000).because == "x: 11 here, 4,000 there"
        assert words(1, 2).word == "holds"
        assert words(11, 1).word == "fails"
        assert words(11, 5).word == words(5, 5).word == "cannot tell"
        assert words(11, None).word == words(None, 11).word == "cannot run here"

    def test_a_ratio_with_nothing_is_nothing(self) -> None:
        assert over(1, 0) is over(None, 1) is over(1, None) is None
        assert over(3, 2) == 1.5
