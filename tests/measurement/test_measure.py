"""What is measured of a server: CPU time by thread, placement, runs and comparisons."""

import _thread
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from iolab.api import compare, measure
from iolab.display.progress_bar import Tick
from iolab.errors import ServerFailed, UsageError
from iolab.listening import ListeningSocket, Respond
from iolab.measurement import comparison, placement
from iolab.measurement import run as run_module
from iolab.measurement.cpu import CpuClock, CpuSamples, Usage, usage
from iolab.measurement.placement import Placement, place, siblings
from iolab.measurement.run import Run
from iolab.models import MODELS, Model
from iolab.replies import slow
from iolab.traffic.workload import Workload
from tests.peers import Peer, upper

pytestmark = pytest.mark.usefixtures("nothing_left")

MS = 1_000_000


def burn(cpu_ms: float) -> None:
    """Use CPU time in this thread: no less than this, and little more."""
    end_ns = time.thread_time_ns() + cpu_ms * MS
    while time.thread_time_ns() < end_ns:
        pass


def in_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


class Other:
    """A thread that works when it is told to, and lives until the end of the block."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work, self.go, self.done, self.leave = work, threading.Event(), threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        self.go.wait()
        self.work()
        self.done.set()
        self.leave.wait()

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.leave.set()
        self.thread.join()


def used_ns(work: Callable[[], object]) -> int:
    """Return what a clock of the threads that come later counts meanwhile."""
    clock = CpuClock(threading.enumerate())
    before_ns = clock.read_ns()
    work()
    return clock.read_ns() - before_ns


def burn_in_threads() -> None:
    for _ in range(3):
        in_thread(lambda: burn(20))


def burn_unlisted() -> None:
    done = threading.Event()

    def unlisted() -> None:
        burn(30)
        done.set()

    _thread.start_new_thread(unlisted, ())
    assert done.wait(20)


class TestCpuClock:
    def test_threads_that_came_later_count_when_they_are_gone_too(self) -> None:
        assert used_ns(burn_in_threads) >= 60 * MS

    def test_a_thread_that_python_does_not_list_counts(self) -> None:
        assert used_ns(burn_unlisted) >= 30 * MS

    @pytest.mark.certify
    def test_no_more_counts_than_they_used(self) -> None:
        assert used_ns(burn_in_threads) < 90 * MS
        assert used_ns(burn_unlisted) < 60 * MS

    @pytest.mark.certify
    def test_the_given_threads_do_not_count(self) -> None:
        with Other(lambda: burn(60)) as other:
            clock = CpuClock(threading.enumerate())
            before_ns = clock.read_ns()
            other.go.set()
            burn(60)
            in_thread(lambda: burn(20))
            assert other.done.wait(20)
            assert 20 * MS <= clock.read_ns() - before_ns < 50 * MS

    def test_a_given_thread_that_has_ended_is_no_error(self) -> None:
        ended = threading.Thread(target=burn, args=(1,))
        ended.start()
        ended.join()
        with Other(lambda: None) as ending:
            clock = CpuClock([threading.main_thread(), ended, ending.thread, threading.Thread()])
            before_ns = clock.read_ns()
        in_thread(lambda: burn(20))
        assert clock.read_ns() - before_ns >= 20 * MS

    def test_a_foreign_thread_that_python_still_lists_is_no_error(self) -> None:
        listed, leave = threading.Event(), threading.Event()
        task: list[int] = []

        def foreign() -> None:
            threading.current_thread()  # from now on it is listed, on some Pythons for good
            task.append(threading.get_native_id())
            listed.set()
            leave.wait()

        _thread.start_new_thread(foreign, ())
        assert listed.wait(20)
        others = threading.enumerate()
        leave.set()
        while Path(f"/proc/self/task/{task[0]}").exists():
            time.sleep(0.001)
        before_ns = (clock := CpuClock(others)).read_ns()
        in_thread(lambda: burn(20))
        assert clock.read_ns() - before_ns >= 20 * MS
        for thread in others:
            if isinstance(thread, threading._DummyThread):
                threading._active.pop(thread.ident, None)  # type: ignore[attr-defined]


class TestUsage:
    @pytest.mark.certify
    def test_it_is_of_all_threads_but_the_one_that_asks(self) -> None:
        before = usage()
        burn(60)
        in_thread(lambda: burn(30))
        spent = usage() - before
        assert 0.02 < spent.user_s + spent.system_s < 0.055

    def test_a_thread_that_sleeps_switches_of_its_own_will(self) -> None:
        before = usage()

        def sleep_often() -> None:
            for _ in range(50):
                time.sleep(0.0005)

        in_thread(sleep_often)
        spent = usage() - before
        assert spent.voluntary_switches + spent.involuntary_switches >= 50  # it may lose its CPU on its way to sleep
        assert spent.voluntary_switches > spent.involuntary_switches


class TestCpuSamples:
    samples = CpuSamples(np.array([0, 10, 20, 40]) * MS, np.array([0, 5, 5, 25]) * MS)

    def test_shares_are_of_one_cpu_in_each_interval(self) -> None:
        middle_ns, share = self.samples.share()
        assert (middle_ns / MS).tolist() == [5, 15, 30]
        assert share.tolist() == [0.5, 0, 1]
        assert (self.samples.total_ns, self.samples.wall_ns) == (25 * MS, 40 * MS)

    @pytest.mark.parametrize(("end_ms", "count"), [(-5, 2), (10, 2), (19, 3), (20, 3), (30, 3), (38, 4), (99, 4)])
    def test_what_came_after_a_time_can_be_left_out(self, end_ms: int, count: int) -> None:
        assert self.samples.until(end_ms * MS).at_ns.tolist() == self.samples.at_ns[:count].tolist()

    @pytest.mark.parametrize(("start_ms", "first"), [(-5, 0), (0, 0), (9, 0), (10, 1), (15, 1), (39, 2), (99, 2)])
    def test_what_was_before_a_time_can_be_left_out(self, start_ms: int, first: int) -> None:
        later = self.samples.since(start_ms * MS)
        assert later.at_ns.tolist() == self.samples.at_ns[first:].tolist()
        assert len(later.cpu_ns) >= 2


class TestPlacement:
    def test_server_and_client_are_apart_where_there_are_two_cpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 3, 5})
        monkeypatch.setattr(placement, "siblings", lambda cpu: {2, 3})
        assert place() == Placement(2, 5)
        assert str(place()) == "server on CPU 2, client on CPU 5"

    def test_it_is_said_where_they_share_a_core(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
        monkeypatch.setattr(placement, "siblings", lambda cpu: {0, 1})
        assert str(place()) == "server on CPU 0, client on CPU 1, which share a core"

    def test_with_one_cpu_the_scheduler_chooses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
        assert str(place()) == "not pinned: one CPU for server and client"

    def test_it_can_be_turned_off(self) -> None:
        assert str(place(pin=False)) == "not pinned: as asked"

    @pytest.mark.parametrize(
        ("listed", "expected"), [("0\n", {0}), ("0-1\n", {0, 1}), ("0,4\n", {0, 4}), ("0-1,8-9\n", {0, 1, 8, 9})]
    )
    def test_siblings_are_read_from_the_kernel(
        self, listed: str, expected: set[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "list").write_text(listed)
        monkeypatch.setattr(placement, "Path", lambda path: tmp_path / "list")
        assert siblings(0) == expected

    def test_a_cpu_that_the_kernel_does_not_describe_is_alone(self) -> None:
        assert siblings(100_000) == {100_000}


FIELDS = [
    *("model", "connections", "requests", "per_s", "p50_us", "p99_us", "max_us", "in_client_us", "latency_of"),
    *("errors", "client_cpu_share"),
    *("server_cpu_us_per_request", "server_cpu_share"),
]


@pytest.fixture(scope="module")
def run() -> Run:
    return measure("epoll", connections=3, requests=3000)


class TestRun:
    def test_it_has_every_request_and_the_fields_of_the_json_output(self, run: Run) -> None:
        assert (len(run.records), run.records.errors) == (3000, {})
        assert list(run.summary()) == FIELDS

    def test_the_server_used_cpu_time_and_no_more_than_there_is(self, run: Run) -> None:
        assert 0 < run.cpu_share <= (os.cpu_count() or 1)
        _, share = run.cpu.share()
        assert (share > -0.01).all()
        assert (share < (os.cpu_count() or 1) + 0.1).all()
        assert run.cpu_us_per_request == pytest.approx(run.cpu.total_ns / 3000 / 1e3, abs=0.01)
        assert 0 < run.cpu.total_ns <= run.cpu.wall_ns * (os.cpu_count() or 1)

    def test_its_clock_is_that_of_the_records(self, run: Run) -> None:
        assert run.cpu.at_ns[0] <= run.records.start_ns
        assert run.records.end_ns <= run.cpu.at_ns[-1]
        assert (np.diff(run.cpu.at_ns) > 0).all()

    def test_a_server_that_computes_uses_its_cpu_and_one_that_sleeps_does_not(self) -> None:
        def compute(request: bytes) -> bytes:
            burn(2)
            return request.upper()

        computing = measure("epoll", respond=compute, connections=1, requests=50)
        sleeping = measure("epoll", respond=slow(0.002), connections=1, requests=50)
        assert computing.cpu_us_per_request is not None
        assert sleeping.cpu_us_per_request is not None
        assert computing.cpu_us_per_request >= 2000
        assert sleeping.cpu_us_per_request < computing.cpu_us_per_request / 4
        assert sleeping.usage.voluntary_switches >= 25

    def test_a_server_that_breaks_in_mid_run_is_reported(self) -> None:
        def breaking(listening: ListeningSocket, respond: Respond) -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(respond(connection.recv(65536)))
            raise ZeroDivisionError

        with pytest.raises(ServerFailed, match="breaking ended by itself: ZeroDivisionError"):
            measure(breaking, connections=1, requests=100)

    def test_wrong_replies_are_doubts(self) -> None:
        run = measure("epoll", respond=lambda request: request, connections=2, requests=10)
        assert run.cpu_us_per_request is None
        assert any("2 x wrong reply: connection" in str(doubt) for doubt in run.doubts)
        assert "2 x wrong reply" in run._repr_html_()

    def test_a_client_at_its_limit_is_a_doubt(self, run: Run) -> None:
        wall_ns = run.records.end_ns - run.records.start_ns
        busy = replace(run, records=replace(run.records, client_cpu_ns=int(0.95 * wall_ns)))
        rested = replace(run, records=replace(run.records, client_cpu_ns=int(0.5 * wall_ns)))
        assert any("the client used 95%" in str(doubt) for doubt in busy.doubts)
        assert "client limit" not in [doubt.kind for doubt in rested.doubts]

    def test_progress_is_told(self) -> None:
        ticks: list[Tick] = []
        run_module.measure(MODELS["epoll"], Workload(connections=1, seconds=0.2), on_tick=ticks.append)
        assert ticks


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch, run: Run) -> list[tuple[str, int]]:
    """Let `compare` measure nothing; return what it would have measured, in order."""
    order: list[tuple[str, int]] = []

    def pretend(model: Model, workload: Workload, **options: Any) -> Run:
        order.append((model.name, workload.connections))
        slower = CpuSamples(run.cpu.at_ns, run.cpu.cpu_ns * len(order))
        return replace(run, model=model.name, records=replace(run.records, workload=workload), cpu=slower)

    monkeypatch.setattr(comparison, "measure", pretend)
    return order


class TestCompare:
    def test_models_take_turns_in_every_repeat(self, order: list[tuple[str, int]]) -> None:
        compare(["epoll", "threads"], [1, 10], repeats=2)
        turns = [order[place : place + 2] for place in range(0, len(order), 2)]
        assert [sorted(turn) for turn in turns] == [[("epoll", count), ("threads", count)] for count in (1, 1, 10, 10)]

    def test_without_names_all_that_run_here_are_measured(self, order: list[tuple[str, int]]) -> None:
        made = compare()
        names = [name for name, _ in order]
        assert {"blocking", "threads", "epoll"} <= set(names)
        assert not set(names) & set(made.left_out)

    def test_a_row_is_the_run_in_the_middle(self, order: list[tuple[str, int]], run: Run) -> None:
        (row,) = compare(["epoll"], [10], repeats=3).rows
        assert list(row) == FIELDS
        assert row["server_cpu_us_per_request"] == pytest.approx(2 * (run.cpu_us_per_request or 0), rel=0.01)

    def test_a_run_without_an_answer_ranks_last(self, run: Run) -> None:
        nothing = replace(run.records, answered_ns=run.records.answered_ns[:0])
        assert comparison.middle([replace(run, records=nothing), run]) is run

    def test_what_cannot_work_is_told_before_anything_is_measured(self, order: list[tuple[str, int]]) -> None:
        with pytest.raises(UsageError, match="10,000,000 connections are too many here"):
            compare(["epoll"], [10, 10**7])
        assert order == []

    def test_doubts_name_model_and_connections(self, order: list[tuple[str, int]], run: Run) -> None:
        made = comparison.Comparison(
            (replace(run, records=replace(run.records, errors={"reset": 2}, examples={"reset": "no"})),)
        )
        assert "epoll @3: 2 x reset: no" in map(str, made.doubts)

    def test_a_doubt_of_many_repeats_is_told_once(self, run: Run) -> None:
        slow, slower = (
            replace(run, records=replace(run.records, errors={"reset": count}, examples={"reset": "no"}))
            for count in (2, 3)
        )
        made = comparison.Comparison((slow, run, slower))
        assert [str(doubt) for doubt in made.doubts if doubt.kind == "error"] == [
            "epoll @3: 2 x reset: no (2 of 3 runs)"
        ]

    @pytest.mark.parametrize(("repeats", "enough"), [(1, False), (5, False), (6, True)])
    def test_a_verdict_takes_repeats(self, run: Run, repeats: int, enough: bool) -> None:
        pair = (run, replace(run, model="poll"))
        assert (comparison.Comparison(pair * repeats).too_few == []) is enough
        assert comparison.Comparison(pair[:1]).too_few == []

    def test_without_a_verdict_its_columns_are_a_note(self, run: Run) -> None:
        pair = (run, replace(run, model="poll"))
        few, enough = (comparison.Comparison(pair * repeats).table("model", "verdict") for repeats in (5, 6))
        assert [list(row) for row in few] == [["model"]] * 2
        assert str(few.sentences[0]) == "a verdict among 2 models takes 6 repeats: this was 5"
        assert [row["verdict"] for row in enough] == ["baseline", "cannot tell"]
        assert not any("repeats" in str(sentence) for sentence in enough.sentences)

    def test_a_table_has_all_columns_and_the_doubts_once(self, run: Run) -> None:
        doubted = replace(run, records=replace(run.records, errors={"reset": 2}, examples={"reset": "no"}))
        shown = comparison.Comparison((doubted, replace(doubted, model="poll")) * 6).table()
        assert list(shown[0]) == [*FIELDS, "ratio", "interval", "p", "verdict"]
        assert [str(each) for each in shown.sentences if "reset" in str(each)] == ["2 x reset: no (12 of 12 runs)"]


def test_a_run_from_made_up_figures_has_no_division_by_zero(run: Run) -> None:
    nothing = run.records.where(run.records.due_ns < 0)
    empty = replace(run, records=nothing, usage=Usage(0, 0, 0, 0))
    assert empty.summary()["per_s"] == 0
    assert empty.summary()["server_cpu_us_per_request"] is None


def test_what_is_measured_is_the_server_and_not_who_else_is_there() -> None:
    with Peer(upper):  # threads of the test, which wait
        run = measure("blocking", connections=1, requests=200)
    assert run.cpu_us_per_request is not None
    assert run.cpu_us_per_request < 1000
