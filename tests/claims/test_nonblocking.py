"""Claims of lesson 02: made-up timelines get the word that they deserve."""

import pytest

from iolab.claims import judge_nonblocking, judge_spinning
from iolab.course.files import FileReads
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline
from tests.made_up import timeline_of

US = 1000
COPIES = {1: 1.0, 100_000: 12.5}
BURNT = {"nonblocking": 0.97, "select": 0.001}
READS = FileReads(20, 20, 0, 0)
"""All reads of the file slept."""

EAGAINS = FileReads(20, 0, 0, 20)
"""All came back at once."""

COSTS, EQUALS = ({"nonblocking": [low, *[80.0] * 5], "epoll": [64.0] * 6} for low in (70.0, 50.0))
PAYS = {"nonblocking": [22.0] * 6, "epoll": [64.0] * 6}


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
        verdict = judge_nonblocking(timeline("nonblocking", asked(20)), COPIES, EAGAINS)
        assert (verdict.claim, verdict.word) == ("C2", "holds")
        assert verdict.because.startswith(
            "a recv with nothing to give came back after 1.0 µs, and data came every 600 µs (medians); "
            "the copy is still yours to wait for: 1 byte takes 1.0 µs, 100,000 bytes take 12.5 µs"
        )

    def test_an_accept_in_vain_is_another_call(self) -> None:
        calls = asked(20)
        accepts = [Call("accept", None, call.end_ns, call.end_ns + 90 * US, "EAGAIN", 1) for call in calls]
        assert judge_nonblocking(timeline("nonblocking", [*calls, *accepts]), COPIES, EAGAINS).because.startswith(
            "a recv with nothing to give came back after 1.0 µs,"
        )

    @pytest.mark.parametrize(
        ("vain_us", "word"), [(59, "holds"), (61, "cannot tell"), (301, "fails in part"), (599, "fails in part")]
    )
    def test_a_call_that_waits_for_the_data_fails(self, vain_us: float, word: str) -> None:
        assert judge_nonblocking(timeline("nonblocking", asked(20, 1, vain_us)), COPIES, EAGAINS).word == word

    @pytest.mark.parametrize(("count", "in_vain"), [(0, 0), (10, 5), (20, 0)])
    def test_a_few_calls_cannot_tell(self, count: int, in_vain: int) -> None:
        verdict = judge_nonblocking(timeline("nonblocking", asked(count, in_vain)), COPIES, EAGAINS)
        assert verdict.word == "cannot tell"
        assert verdict.because.startswith(f"only {count * in_vain} calls in vain")


class TestFile:
    @pytest.mark.parametrize(
        ("reads", "word"),
        [
            (READS, "fails in part"),
            (EAGAINS, "holds"),
            (FileReads(20, 0, 0, 0, "it was in memory"), "cannot tell"),
            (FileReads(20, 10, 0, 10), "cannot tell"),
            (FileReads(9, 9, 0, 0), "cannot tell"),
            (FileReads(20, 20, 3, 0), "cannot tell"),
        ],
    )
    def test_always_holds_for_files_as_well_or_not_at_all(self, reads: FileReads, word: str) -> None:
        assert judge_nonblocking(timeline("nonblocking", asked(20)), COPIES, reads).word == word

    def test_it_says_how_many_slept(self) -> None:
        verdict = judge_nonblocking(timeline("nonblocking", asked(20)), COPIES, READS)
        assert "20 of 20 reads of a regular file slept" in verdict.because

    def test_a_socket_that_waits_and_a_file_that_waits_fail(self) -> None:
        assert judge_nonblocking(timeline("nonblocking", asked(20, 1, 400)), COPIES, READS).word == "fails"


class TestSpinning:
    def test_it_burns_and_it_pays(self) -> None:
        verdict = judge_spinning(timeline("nonblocking", asked(20, 9)), timeline("select", asked(20, 0)), BURNT, PAYS)
        assert (verdict.claim, verdict.word) == ("C3", "fails in part")
        assert verdict.because == (
            "nonblocking: 97.0% of a CPU without a client, 90% of its calls in vain; "
            "select: 0.1% of a CPU without a client, 0% of its calls in vain; "
            "for one client nonblocking has 0.34 (0.34 to 0.34) times the median latency of epoll, "
            "and for that DPDK, SPDK, SO_BUSY_POLL and SQPOLL do it"
        )

    @pytest.mark.parametrize(
        ("in_vain", "burnt", "burns"),
        [
            (9, 0.0015, "fails"),
            (0, 0.97, "fails"),
            (9, 0.005, "cannot tell"),
            (1, 0.97, "cannot tell"),
            (9, 0.011, "holds"),
        ],
    )
    def test_to_burn_needs_both_the_cpu_and_the_waste(self, in_vain: int, burnt: float, burns: str) -> None:
        spinning, waiting = timeline("nonblocking", asked(20, in_vain)), timeline("select", asked(20, 0))
        words = [
            judge_spinning(spinning, waiting, BURNT | {"nonblocking": burnt}, p50_us).word
            for p50_us in (COSTS, EQUALS, PAYS)
        ]
        assert (
            words
            == {
                "fails": ["fails in part", "fails in part", "fails"],
                "cannot tell": ["cannot tell", "cannot tell", "fails in part"],
                "holds": ["holds", "cannot tell", "fails in part"],
            }[burns]
        )

    def test_a_loop_that_waits_and_still_asks_in_vain_cannot_tell(self) -> None:
        spinning, waiting = timeline("nonblocking", asked(20, 9)), timeline("select", asked(20, 9))
        assert judge_spinning(spinning, waiting, BURNT, EQUALS).word == "cannot tell"

    def test_a_few_calls_cannot_tell(self) -> None:
        spinning, waiting = timeline("nonblocking", asked(20, 9)), timeline("select", asked(9, 0))
        assert judge_spinning(spinning, waiting, BURNT, EQUALS).word == "cannot tell"

    def test_five_runs_cannot_tell(self) -> None:
        few = {model: times[:5] for model, times in PAYS.items()}
        verdict = judge_spinning(timeline("nonblocking", asked(20, 9)), timeline("select", asked(20, 0)), BURNT, few)
        assert verdict.word == "cannot tell" and "5 runs give no interval; 6 are needed" in verdict.because
