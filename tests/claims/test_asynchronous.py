"""Claims of lesson 06: made-up deliveries and comparisons get the word that they deserve."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from iolab.claims import judge_asynchronous, judge_most_efficient
from iolab.course.delivery import WAYS, Delivery, deliver, replies, without_io_uring
from iolab.kernel import aio, tracepoints
from iolab.measurement.comparison import Comparison
from iolab.measurement.run import Run
from tests.made_up import run_of

RINGS = ("io_uring", "io_uring without flags")
REFUSED = Delivery("io_uring", 0, 0, "a seccomp filter forbids it")


def brought(poll: int, aio_read: int, ring: int, of: int = 20) -> list[Delivery]:
    return [Delivery("poll", of, poll), Delivery("aio_read", of, aio_read), Delivery("io_uring", of, ring)]


def turns(ring_us: Sequence[float], epoll_us: Sequence[float], connections: int = 10) -> list[Run]:
    """Return runs of both that took turns."""
    pairs = zip(ring_us, epoll_us, strict=True)
    return [
        run
        for ring, epoll in pairs
        for run in (run_of("io_uring", ring, connections), run_of("epoll", epoll, connections))
    ]


class TestAsynchronous:
    def test_bytes_that_come_without_a_call_hold(self) -> None:
        verdict = judge_asynchronous(brought(0, 20, 20))
        assert (verdict.claim, verdict.word) == ("C10", "holds")
        assert verdict.because == (
            "the bytes were there without another call that receives: "
            "with poll 0 of 20 times, with aio_read 20 of 20 times, with io_uring 20 of 20 times"
        )

    def test_bytes_that_must_be_fetched_fail(self) -> None:
        assert judge_asynchronous(brought(0, 20, 0)).word == "fails"

    @pytest.mark.parametrize(
        "deliveries", [brought(0, 20, 19), brought(0, 20, 1), brought(3, 20, 20), brought(0, 9, 9, of=9)]
    )
    def test_some_but_not_all_cannot_tell(self, deliveries: list[Delivery]) -> None:
        assert judge_asynchronous(deliveries).word == "cannot tell"

    def test_who_copied_is_said_where_it_is_known(self) -> None:
        ring = Delivery("io_uring", 20, 0, None, "the thread that asked")
        assert judge_asynchronous([ring]).because.endswith("io_uring 0 of 20 times (copied by the thread that asked)")

    def test_without_io_uring_it_cannot_run_and_says_why(self) -> None:
        verdict = judge_asynchronous([*brought(0, 20, 0)[:2], REFUSED])
        assert (verdict.word, verdict.because) == ("cannot run here", REFUSED.why_not)
        assert judge_asynchronous([]).word == "cannot run here"


class TestDelivery:
    @pytest.mark.parametrize(
        ("way", "expected"), [("poll", 0), ("aio_read", 20), ("io_uring", 0), ("io_uring without flags", 20)]
    )
    def test_who_brings_what_readiness_leaves(self, way: str, expected: int) -> None:
        found = deliver(way)
        if found.why_not:
            pytest.skip(found.why_not)
        assert (found.asked, found.brought) == (20, expected)

    @pytest.mark.usefixtures("kernel_steps")
    @pytest.mark.parametrize(
        ("way", "expected"), [("aio_read", "another thread"), *((ring, "the thread that asked") for ring in RINGS)]
    )
    def test_whose_thread_copies(self, way: str, expected: str) -> None:
        if WAYS[way][1]():
            pytest.skip(str(WAYS[way][1]()))
        assert deliver(way).copied_by == expected

    def test_where_the_kernel_shows_nothing_nobody_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tracepoints, "why_not", lambda: "made up")
        assert deliver("poll", 1).copied_by is None

    def test_a_row_has_the_count_or_the_reason(self) -> None:
        rows = [each.row() for each in (Delivery("poll", 20, 3), REFUSED)]
        assert [list(row.values()) for row in rows] == [
            ["poll", "3 of 20 times", "this machine does not show it"],
            ["io_uring", "a seccomp filter forbids it", ""],
        ]
        assert list(WAYS) == ["poll", "aio_read", "io_uring", "io_uring without flags"]

    @pytest.mark.skipif(aio.why_not() is not None, reason=str(aio.why_not()))
    def test_each_read_that_is_pending_has_a_helper_thread(self) -> None:
        said = "from iolab.course import delivery; print(delivery.helper_threads(5))"
        done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
        assert done.stdout == "5\n"

    @pytest.mark.skipif(aio.why_not() is not None, reason=str(aio.why_not()))
    def test_one_helper_waits_at_the_door_and_the_other_serves_whoever_asks(self) -> None:
        assert replies(2, 1, 0) == 20

    def test_what_cannot_be_asked_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(WAYS, "io_uring", (WAYS["io_uring"][0], lambda: "no ring"))
        assert deliver("io_uring") == Delivery("io_uring", 0, 0, "no ring")


class TestMostEfficient:
    def test_cheaper_in_all_pairs_holds(self) -> None:
        verdict = judge_most_efficient(Comparison(tuple(turns([5] * 6, [10] * 6))))
        assert (verdict.claim, verdict.word) == ("C11", "holds")
        assert "0.50 (0.50 to 0.50) times the CPU time of epoll" in verdict.because

    def test_dearer_under_one_load_fails(self) -> None:
        runs = turns([5] * 7, [10] * 7) + turns([12] * 7, [10] * 7, connections=100)
        verdict = judge_most_efficient(Comparison(tuple(runs)))
        assert verdict.word == "fails"
        assert "at 100 connections io_uring takes 1.20" in verdict.because

    def test_an_interval_that_holds_1_cannot_tell(self) -> None:
        runs = turns([9, 11, 9, 11, 9, 11], [10] * 6)
        assert judge_most_efficient(Comparison(tuple(runs))).word == "cannot tell"

    def test_a_few_runs_cannot_tell(self) -> None:
        verdict = judge_most_efficient(Comparison(tuple(turns([5] * 5, [10] * 5))))
        assert (verdict.word, "6 are needed" in verdict.because) == ("cannot tell", True)

    def test_every_load_is_one_more_comparison(self) -> None:
        runs = [run for count in (10, 100) for run in turns([5] * 6, [10] * 6, connections=count)]
        verdict = judge_most_efficient(Comparison(tuple(runs)))
        assert (verdict.word, "7 are needed" in verdict.because) == ("cannot tell", True)

    def test_aio_is_no_rival_and_no_stand_in(self) -> None:
        aio = [run_of("aio", 40)] * 6
        runs = turns([5] * 6, [10] * 6)
        assert judge_most_efficient(Comparison((*runs, *aio))).word == "holds"
        assert judge_most_efficient(Comparison((*aio, *runs[1::2]))).word == "cannot run here"

    def test_without_io_uring_it_cannot_run(self) -> None:
        runs = turns([5] * 6, [10] * 6)[1::2]
        assert judge_most_efficient(Comparison(tuple(runs))).word == "cannot run here"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process is refused what there is not")
def test_a_process_without_io_uring_says_why() -> None:
    said = without_io_uring("import iolab; print(iolab.MODELS['io_uring'].why_not())")
    assert "io_uring" in said and "None" not in said
    assert without_io_uring("from iolab.kernel import uring; print(uring.why_not() is None)") == "False\n"
