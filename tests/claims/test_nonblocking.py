"""Claims of lesson 02: made-up timelines get the word that they deserve."""

import pytest

from iolab.claims import judge_nonblocking, judge_spinning
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline
from tests.made_up import timeline_of

US = 1000
COPIES = {1: 1.0, 100_000: 12.5}
BURNT = {"nonblocking": 0.97, "select": 0.001}


def asked(count: int, in_vain: int = 5, vain_us: float = 1, gap_us: int = 600) -> list[Call]:
    """Return calls of recv that bring 64 bytes at fixed intervals, each after so many in vain."""
    calls = []
    for turn in range(count):
        start, step = turn * gap_us * US, gap_us * US // (in_vain + 1)
        calls.append(Call("recv", 0, start, start + US, 64, 1))
        begins = [start + (number + 1) * step for number in range(in_vain)]
        calls += [Call("recv", 0, begin, begin + round(vain_us * US), "EAGAIN", 1) for begin in begins]
    return calls


def timeline(model: str, calls: list[Call]) -> Timeline:
    return timeline_of(iter(calls), model=model)


class TestNonblocking:
    def test_questions_that_return_long_before_the_data_hold(self) -> None:
        verdict = judge_nonblocking(timeline("nonblocking", asked(20)), COPIES)
        assert (verdict.claim, verdict.word) == ("C2", "holds")
        assert verdict.because == (
            "a recv with nothing to give came back after 1.0 µs, and data came every 600 µs (medians); "
            "the copy is still yours to wait for: 1 byte takes 1.0 µs, 100,000 bytes take 12.5 µs"
        )

    def test_an_accept_in_vain_is_another_call(self) -> None:
        calls = asked(20)
        accepts = [Call("accept", None, call.end_ns, call.end_ns + 90 * US, "EAGAIN", 1) for call in calls]
        assert judge_nonblocking(timeline("nonblocking", [*calls, *accepts]), COPIES).because.startswith(
            "a recv with nothing to give came back after 1.0 µs,"
        )

    @pytest.mark.parametrize(("vain_us", "word"), [(59, "holds"), (61, "cannot tell"), (301, "fails"), (599, "fails")])
    def test_a_call_that_waits_for_the_data_fails(self, vain_us: float, word: str) -> None:
        assert judge_nonblocking(timeline("nonblocking", asked(20, 1, vain_us)), COPIES).word == word

    @pytest.mark.parametrize(("count", "in_vain"), [(0, 0), (10, 5), (20, 0)])
    def test_a_few_calls_cannot_tell(self, count: int, in_vain: int) -> None:
        verdict = judge_nonblocking(timeline("nonblocking", asked(count, in_vain)), COPIES)
        assert verdict.word == "cannot tell"
        assert verdict.because.startswith(f"only {count * in_vain} calls in vain")


class TestSpinning:
    def test_a_loop_that_burns_and_one_that_waits_hold(self) -> None:
        verdict = judge_spinning(timeline("nonblocking", asked(20, 9)), timeline("select", asked(20, 0)), BURNT)
        assert (verdict.claim, verdict.word) == ("C3", "holds")
        assert verdict.because == (
            "nonblocking: 97.0% of a CPU without a client, 90% of its calls in vain; "
            "select: 0.1% of a CPU without a client, 0% of its calls in vain; "
            "both use non-blocking sockets, and the second asks only what is ready"
        )

    @pytest.mark.parametrize(
        ("in_vain", "burnt", "word"),
        [
            (9, 0.0015, "fails"),
            (0, 0.97, "fails"),
            (9, 0.005, "cannot tell"),
            (1, 0.97, "cannot tell"),
            (9, 0.011, "holds"),
        ],
    )
    def test_the_word_needs_both_the_burning_and_the_waste(self, in_vain: int, burnt: float, word: str) -> None:
        spinning, waiting = timeline("nonblocking", asked(20, in_vain)), timeline("select", asked(20, 0))
        assert judge_spinning(spinning, waiting, BURNT | {"nonblocking": burnt}).word == word

    def test_a_loop_that_waits_and_still_asks_in_vain_cannot_tell(self) -> None:
        spinning, waiting = timeline("nonblocking", asked(20, 9)), timeline("select", asked(20, 9))
        assert judge_spinning(spinning, waiting, BURNT).word == "cannot tell"

    def test_a_few_calls_cannot_tell(self) -> None:
        spinning, waiting = timeline("nonblocking", asked(20, 9)), timeline("select", asked(9, 0))
        assert judge_spinning(spinning, waiting, BURNT).word == "cannot tell"
