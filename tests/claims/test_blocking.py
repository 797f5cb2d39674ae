"""Claims and their judges: made-up timelines get the word that they deserve."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import iolab
from iolab.claims import CLAIMS, Verdict, Verdicts, judge_blocking
from iolab.experiments import copy_cost
from iolab.trace.calls import Call
from tests.made_up import copies, timeline_of

US = 1000


def receives(count: int, wait_us: float = 150, rest_us: float = 20, result: int | str = 64) -> Iterator[Call]:
    """Yield calls of recv that began so long before their data came, and ended so long after."""
    for turn in range(count):
        arrived = (1000 * turn) * US + round(wait_us * US)
        yield Call("recv", 0, 1000 * turn * US, arrived + round(rest_us * US), result, 1, arrived)


GROWN = copies(1, 70)


class TestWait:
    def test_a_wait_and_a_copy_hold(self) -> None:
        verdict = judge_blocking(timeline_of(receives(20)), GROWN)
        assert (verdict.claim, verdict.word) == ("C1", "holds")
        assert verdict.because == (
            "in 20 calls of recv the thread waited 150 µs for data (median); "
            "where the data was there before, 64 bytes took 1.0 µs and 2,097,152 took 70.0 µs: "
            "the copy costs 33 µs for each MB"
        )

    def test_calls_that_come_back_without_data_fail_in_part(self) -> None:
        calls = receives(20, result="EAGAIN")
        verdict = judge_blocking(timeline_of(calls), GROWN)
        assert verdict.word == "fails in part"
        assert verdict.because.startswith("20 of 20 calls that found nothing came back without waiting")

    def test_a_few_of_them_cannot_tell(self) -> None:
        calls = [*receives(20), *receives(3, result="EAGAIN")]
        assert judge_blocking(timeline_of(calls), GROWN).word == "cannot tell"

    @pytest.mark.parametrize(("count", "word"), [(0, "cannot tell"), (9, "cannot tell"), (10, "holds")])
    def test_a_few_calls_cannot_tell(self, count: int, word: str) -> None:
        verdict = judge_blocking(timeline_of(receives(count)), GROWN)
        assert verdict.word == word
        if word == "cannot tell":
            assert verdict.because.startswith(f"only {count} calls of recv")

    def test_data_that_was_there_before_tells_nothing(self) -> None:
        assert judge_blocking(timeline_of(receives(20, wait_us=-5, rest_us=30)), GROWN).word == "cannot tell"

    @pytest.mark.parametrize("result", [0, "ECONNRESET"])
    def test_the_end_of_a_connection_and_errors_tell_nothing(self, result: int | str) -> None:
        assert judge_blocking(timeline_of(receives(20, result=result)), GROWN).word == "cannot tell"

    def test_without_stamps_it_cannot_tell(self) -> None:
        verdict = judge_blocking(timeline_of(receives(20), stamped=False), GROWN)
        assert verdict.word == "cannot tell"
        assert "no receive stamps" in verdict.because


class TestCopy:
    def test_time_that_does_not_grow_is_no_copy(self) -> None:
        """All that was above 0 passed for a copy, and it was the waking."""
        assert judge_blocking(timeline_of(receives(20, rest_us=70)), copies(65, 70)).word == "fails in part"

    @pytest.mark.parametrize(
        ("large_us", "spread", "word"),
        [
            (70, 1.05, "holds"),
            (2.9, 1.0, "cannot tell"),
            (3.0, 1.0, "holds"),
            (70, 9, "cannot tell"),
            (1.4, 1.0, "fails"),
        ],
    )
    def test_the_intervals_must_lie_apart(self, large_us: float, spread: float, word: str) -> None:
        judged = judge_blocking(timeline_of(receives(20)), copies(1, large_us, spread)).word
        assert judged == ("fails in part" if word == "fails" else word)

    def test_waking_has_no_say(self) -> None:
        assert judge_blocking(timeline_of(receives(20)), copies(1, 70, waking_us=90_000)).word == "holds"

    def test_without_the_large_one_it_cannot_tell(self) -> None:
        verdict = judge_blocking(timeline_of(receives(20)), copies(1, None))
        assert verdict.word == "cannot tell" and "made up to be missing" in verdict.because

    def test_neither_wait_nor_copy_fails(self) -> None:
        assert judge_blocking(timeline_of(receives(20, result="EAGAIN")), copies(1, 1)).word == "fails"


class TestReal:
    def test_of_a_real_run_it_gives_a_reason_with_numbers(self) -> None:
        inside = iolab.timeline("blocking", connections=1, requests=40, think_s=0.001)
        verdict = judge_blocking(inside, copy_cost(sizes_bytes=(64, 1 << 20), rounds=30))
        assert verdict.word in ("holds", "cannot tell")
        assert any(sign.isdigit() for sign in verdict.because)


class TestVerdicts:
    def test_one_is_recorded(self, progress_file: Path) -> None:
        verdict = judge_blocking(timeline_of(receives(20)), GROWN)
        recorded = json.loads(progress_file.read_text())["verdicts"]["C1"]
        assert recorded == {"word": "holds", "because": verdict.because}

    def test_they_are_shown_as_a_table(self) -> None:
        verdict = Verdict("C1", "fails", "1 < 2 & 3")
        shown = verdict._repr_html_()
        assert all(f">{sign}</" in shown for sign in ("C1", "fails", "1 &lt; 2 &amp; 3", CLAIMS["C1"]))
        assert Verdicts((verdict, verdict))._repr_html_().count("<tr>") == 3
        assert Verdicts(())._repr_html_() == "<p>Claims of the source, judged on this machine</p>"
