"""Claims and their judges: made-up timelines get the word that they deserve."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import iolab
from iolab.claims import CLAIMS, Verdict, Verdicts, judge_blocking
from iolab.trace.calls import Call
from tests.made_up import timeline_of

US = 1000


def receives(count: int, wait_us: float = 150, rest_us: float = 20, result: int | str = 64) -> Iterator[Call]:
    """Yield calls of recv that began so long before their data came, and ended so long after."""
    for turn in range(count):
        arrived = (1000 * turn) * US + round(wait_us * US)
        yield Call("recv", 0, 1000 * turn * US, arrived + round(rest_us * US), result, 1, arrived)


class TestBlocking:
    def test_a_wait_and_a_copy_hold(self) -> None:
        verdict = judge_blocking(timeline_of(receives(20)))
        assert (verdict.claim, verdict.word) == ("C1", "holds")
        assert verdict.because == (
            "in 20 calls of recv the thread waited 150 µs for data, and 20 µs more for wake-up and copy (medians)"
        )

    def test_a_call_that_returns_as_the_data_comes_fails(self) -> None:
        assert judge_blocking(timeline_of(receives(20, rest_us=0))).word == "fails"

    @pytest.mark.parametrize(("count", "word"), [(0, "cannot tell"), (9, "cannot tell"), (10, "holds")])
    def test_a_few_calls_cannot_tell(self, count: int, word: str) -> None:
        verdict = judge_blocking(timeline_of(receives(count)))
        assert verdict.word == word
        if word == "cannot tell":
            assert verdict.because.startswith(f"only {count} calls of recv")

    def test_data_that_was_there_before_tells_nothing(self) -> None:
        assert judge_blocking(timeline_of(receives(20, wait_us=-5, rest_us=30))).word == "cannot tell"

    @pytest.mark.parametrize("result", [0, "EAGAIN", "ECONNRESET"])
    def test_the_end_of_a_connection_and_errors_tell_nothing(self, result: int | str) -> None:
        assert judge_blocking(timeline_of(receives(20, result=result))).word == "cannot tell"

    def test_without_stamps_it_cannot_run(self) -> None:
        verdict = judge_blocking(timeline_of(receives(20), stamped=False))
        assert verdict.word == "cannot run here"
        assert "no receive stamps" in verdict.because

    def test_of_a_real_run_it_gives_a_reason_with_numbers(self) -> None:
        verdict = judge_blocking(iolab.timeline("blocking", connections=1, requests=40, think_s=0.001))
        assert verdict.word in ("holds", "cannot run here")
        assert any(sign.isdigit() for sign in verdict.because) or verdict.word == "cannot run here"


class TestVerdicts:
    def test_one_is_recorded(self, progress_file: Path) -> None:
        verdict = judge_blocking(timeline_of(receives(20)))
        recorded = json.loads(progress_file.read_text())["verdicts"]["C1"]
        assert recorded == {"word": "holds", "because": verdict.because}

    def test_they_are_shown_as_a_table(self) -> None:
        verdict = Verdict("C1", "fails", "1 < 2 & 3")
        shown = verdict._repr_html_()
        assert all(f">{sign}</" in shown for sign in ("C1", "fails", "1 &lt; 2 &amp; 3", CLAIMS["C1"]))
        assert Verdicts((verdict, verdict))._repr_html_().count("<tr>") == 3
        assert Verdicts(())._repr_html_() == "<p>Claims of the source, judged on this machine</p>"
