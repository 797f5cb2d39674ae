"""Claims of lesson 03: made-up calls, lists and costs get the word that they deserve."""

from dataclasses import replace

import pytest

from iolab.claims import judge_epoll, judge_growth, judge_multiplexing, judge_platforms, judge_write_list
from iolab.trace.calls import Call
from iolab.trace.timeline import Timeline
from iolab.traffic.workload import Workload
from tests.made_up import idles, timeline_of, waits


def served(connections: int = 3, turns: int = 10, *, in_vain: int = 0, threads: int = 1, of: int = 3) -> Timeline:
    """A timeline in which so many of the connections are received from and sent to, in turn."""
    calls = [
        Call(name, number, 0, 1000, 64, number % threads)
        for _ in range(turns)
        for number in range(connections)
        for name in ("recv", "send")
    ]
    timeline = timeline_of([*calls, *[Call("recv", 0, 0, 1000, "EAGAIN", 0)] * in_vain], model="select")
    return replace(timeline, records=replace(timeline.records, workload=Workload(connections=of)))


class TestMultiplexing:
    def test_one_thread_that_serves_all_holds(self) -> None:
        verdict = judge_multiplexing(served())
        assert (verdict.claim, verdict.word) == ("C4", "holds")
        assert verdict.because == "one thread served 3 of 3 connections; 0% of 60 calls were in vain"

    @pytest.mark.parametrize(
        ("timeline", "word"),
        [
            (served(threads=3), "fails"),
            (served(of=4), "fails"),
            (served(in_vain=61), "fails"),
            (served(in_vain=10), "cannot tell"),
            (served(in_vain=6), "holds"),
            (served(connections=1, of=1), "cannot tell"),
            (served(turns=1), "cannot tell"),
        ],
    )
    def test_threads_starved_clients_and_questions_in_vain_count(self, timeline: Timeline, word: str) -> None:
        assert judge_multiplexing(timeline).word == word


class TestWriteList:
    @pytest.mark.parametrize(
        ("returned", "full", "word"),
        [
            ([4], [5], "fails"),
            ([], [4, 5], "fails"),
            ([4, 5], [5], "holds"),
            ([4, 5], [], "cannot tell"),
            ([4], [6], "cannot tell"),
            ([5], [5], "cannot tell"),
        ],
    )
    def test_a_full_socket_decides(self, returned: list[int], full: list[int], word: str) -> None:
        verdict = judge_write_list([4, 5], returned, full)
        assert (verdict.claim, verdict.word) == ("C5", word)

    def test_it_counts(self) -> None:
        verdict = judge_write_list([4, 5, 6], [4, 6], [5])
        assert verdict.because == "of 3 in the write list 2 came back; 1 of 1 full ones were left out"


class TestGrowth:
    @pytest.mark.parametrize(
        ("select", "poll", "word"),
        [(1.0, 1.0, "holds"), (1.0, 0.0, "fails"), (0.0, 0.0, "fails"), (1.0, 0.1, "cannot tell")],
    )
    def test_both_have_to_grow(self, select: float, poll: float, word: str) -> None:
        verdict = judge_growth(waits(select=select, poll=poll))
        assert (verdict.claim, verdict.word) == ("C6", word)

    def test_it_says_by_how_much(self) -> None:
        assert judge_growth(waits(most=100)).because == (
            "select: with 10 times as many watched, a wait takes 10.0 times as long; "
            "poll: with 10 times as many watched, a wait takes 10.0 times as long"
        )

    def test_without_figures_it_cannot_run(self) -> None:
        measured = waits()
        rows = tuple({**row, "us_per_wait": None, "why_not": "no room"} for row in measured.rows)
        verdict = judge_growth(replace(measured, rows=rows))
        assert (verdict.word, verdict.because) == ("cannot run here", "no room")

    def test_one_number_of_descriptors_shows_no_growth(self) -> None:
        verdict = judge_growth(waits(most=10))
        assert (verdict.word, verdict.because) == ("cannot run here", "too few numbers of descriptors were measured")


class TestPlatforms:
    @pytest.mark.parametrize(
        ("system", "calls", "posix", "word"),
        [
            ("linux", ["select", "poll", "epoll"], 200809, "fails"),
            ("linux", ["select", "poll", "epoll"], 200112, "cannot tell"),
            ("linux", ["select", "poll", "epoll"], 0, "cannot tell"),
            ("linux", ["select", "epoll"], 200809, "cannot tell"),
            ("linux", ["poll", "epoll"], 0, "fails"),
            ("linux", ["select"], 0, "fails"),
            ("darwin", ["select", "poll"], 200112, "fails"),
            ("win32", ["select"], 0, "cannot tell"),
            ("win32", [], 0, "fails"),
        ],
    )
    def test_one_system_can_refute_it_and_none_can_prove_it(
        self, system: str, calls: list[str], posix: int, word: str
    ) -> None:
        verdict = judge_platforms(system, calls, posix)
        assert (verdict.claim, verdict.word) == ("C7", word)
        assert verdict.because.startswith(f"on {system} Python has")


class TestEpoll:
    def test_a_flat_cost_near_the_cheapest_holds(self) -> None:
        verdict = judge_epoll(waits(), idles())
        assert (verdict.claim, verdict.word) == ("C8", "holds")
        assert verdict.because == (
            "with 1,000 times as many watched, a wait takes 1.0 times as long (poll: 1,000.0); where all are active "
            "a request takes 1.00 times the CPU time of the cheapest (µs: select 7.0, poll 7.0, epoll 7.0)"
        )

    @pytest.mark.parametrize(
        ("epoll", "dearer", "word"),
        [
            (0.0, 1.4, "holds"),
            (0.0, 1.6, "cannot tell"),
            (0.1, 1.0, "cannot tell"),
            (1.0, 1.0, "fails"),
            (0, 2.1, "fails"),
        ],
    )
    def test_growth_and_the_cost_of_the_active_decide(self, epoll: float, dearer: float, word: str) -> None:
        idle = idles()
        rows = tuple(
            {**row, "cpu_us_per_request": row["cpu_us_per_request"] * (dearer if row["model"] == "epoll" else 1)}
            for row in idle.rows
        )
        assert judge_epoll(waits(epoll=epoll), replace(idle, rows=rows)).word == word

    def test_without_epoll_it_cannot_run(self) -> None:
        verdict = judge_epoll(waits(), idles(epoll=None))
        assert (verdict.word, verdict.because) == ("cannot run here", "no request was answered with epoll")

    def test_one_number_of_descriptors_shows_no_growth(self) -> None:
        assert judge_epoll(waits(most=10), idles()).word == "cannot run here"
