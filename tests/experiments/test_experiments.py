"""The experiments, each of them run once, tiny; and what they say of what cannot run."""

import itertools
import os
import platform
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from iolab import figures
from iolab.errors import ServerFailed, UsageError
from iolab.experiments import Result, connections, interpreter_lock, waits
from iolab.experiments.connections import connection_cost
from iolab.experiments.copies import copy_cost
from iolab.experiments.equals import ANY, EACH, HOLM, cut, same
from iolab.experiments.file_access import BLOCKING, POOL, READS, RING, WRITES, files
from iolab.experiments.idle_connections import idle_cost
from iolab.experiments.interpreter_lock import ALONE, BESIDE, TOGETHER, computing, gil
from iolab.experiments.stalls import CLOSED, DUE, SENT, omission
from iolab.experiments.uring_steps import (
    BASELINE,
    MULTISHOT,
    ONE_ENTER,
    ONESHOT,
    POLLED,
    SILENT,
    ring_steps,
    spare_cpus,
)
from iolab.experiments.waits import wait_cost
from iolab.kernel import descriptors, uring
from iolab.measurement import fresh
from iolab.measurement.comparison import Comparison
from iolab.measurement.placement import Placement
from iolab.traffic.doubts import Doubt, gather
from tests.made_up import run_of
from tests.peers import DEAD


def columns_are_whole(record: Result) -> bool:
    return all(set(row) == set(record.columns()) for row in record.rows)


@pytest.mark.usefixtures("nothing_left")
class TestWaitCost:
    def test_every_size_and_call_has_a_row(self) -> None:
        before = os.sched_getaffinity(0)
        record = wait_cost(watched=(3, 200), seconds=0.01)
        assert [(row["watched"], row["call"]) for row in record.rows] == list(
            itertools.product((3, 200), ("poll", "select", "epoll"))
        )
        assert columns_are_whole(record) and all(row["us_per_wait"] > 0 for row in record.rows)
        assert os.sched_getaffinity(0) == before

    def test_what_grows_here_grows(self) -> None:
        rows = wait_cost(watched=(100, 900), calls=("poll", "epoll"), seconds=0.05).rows
        few_poll, few_epoll, many_poll, many_epoll = (row["us_per_wait"] for row in rows)
        assert many_poll / few_poll > 2 * many_epoll / few_epoll

    def test_select_ends_at_1024(self) -> None:
        record = wait_cost(watched=(1100,), calls=("select", "epoll"), seconds=0.005)
        assert record.value(watched=1100, call="select") is None
        assert record.value(watched=1100, call="epoll")
        assert "1100, select: select takes descriptors below 1024" in record.notes[0] and len(record.notes) == 1

    def test_the_descriptor_limit_is_the_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iolab.experiments.waits.descriptors.most_connections", lambda: 100)
        record = wait_cost(watched=(101,), seconds=0.005)
        assert all("room for" in row["why_not"] and row["us_per_wait"] is None for row in record.rows)
        assert record.verdict.word == "cannot run here"

    def test_pipes_where_there_is_no_eventfd(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waits, "EVENTFD", False)
        assert all(row["us_per_wait"] > 0 for row in wait_cost(watched=(5,), seconds=0.005).rows)

    def test_a_call_that_the_system_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr("select.epoll")
        record = wait_cost(watched=(5,), seconds=0.005)
        assert "epoll is not a system call of this system" in record.notes[0]
        assert record.value(watched=5, call="poll")


@pytest.mark.usefixtures("nothing_left")
class TestIdleCost:
    def test_every_number_and_model_has_a_row(self) -> None:
        record = idle_cost(idle=(0, 30), models=("poll", "epoll"), connections=2, seconds=0.4)
        assert [(row["idle"], row["model"]) for row in record.rows] == [
            (0, "poll"), (0, "epoll"), (30, "poll"), (30, "epoll"),
        ]  # fmt: skip
        assert columns_are_whole(record) and record.notes == [str(doubt) for doubt in record.doubts]
        assert all(row["cpu_us_per_request"] > 0 and row["p50_us"] > 0 for row in record.rows)
        assert record.verdict.word == "cannot run here"  # nobody judges growth from 30 connections

    def test_select_is_not_tried_beyond_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(descriptors, "count_open", lambda: 1000)
        record = idle_cost(idle=(0,), models=("select",), seconds=0.05)
        assert record.rows[0]["why_not"] == "select takes descriptors below 1024, and this run would need 1026"

    def test_too_many_connections_are_a_reason(self) -> None:
        record = idle_cost(idle=(10**7,), models=("epoll",), seconds=0.05)
        assert "descriptor limit" in record.rows[0]["why_not"] and columns_are_whole(record)

    def test_a_model_that_is_none_is_refused(self) -> None:
        with pytest.raises(UsageError, match="did you mean epoll"):
            idle_cost(idle=(0,), models=("epol",), seconds=0.05)

    def test_doubts_of_one_kind_are_said_once(self) -> None:
        busy = [Doubt("busy neighbours", {"share": share}, f"poll, {share:.0%}") for share in (0.15, 1)]
        reset, late = (Doubt("error", {"error": error, "count": 2, "example": "x"}) for error in ("reset", "late"))
        first, *others = gather([*busy, reset, late], runs=5)
        assert (first, [doubt.figures["error"] for doubt in others]) == (
            replace(busy[0], runs=2, of=5),
            ["reset", "late"],
        )
        assert str(first).startswith("poll, 15%: other processes took 15% of a core") and "(2 of 5 runs)" in str(first)


@pytest.mark.usefixtures("nothing_left")
class TestOmission:
    def test_every_clock_has_a_row(self) -> None:
        record = omission(every_s=0.2, for_s=0.1, rate_per_s=1000, connections=5, seconds=0.3)
        assert [row["clock"] for row in record.rows] == [CLOSED, SENT, DUE] and columns_are_whole(record)

    @pytest.mark.certify
    def test_only_the_schedule_sees_the_stall(self) -> None:
        record = omission(every_s=0.2, for_s=0.1, rate_per_s=1000, connections=5, seconds=0.5)
        p90 = {clock: record.value("p90_us", clock=clock) or 0 for clock in (CLOSED, SENT, DUE)}
        assert p90[DUE] > 2 * max(p90[CLOSED], p90[SENT])

    def test_too_few_replies_are_a_reason(self) -> None:
        record = omission(every_s=0.2, for_s=0.01, rate_per_s=50, connections=2, seconds=0.3)
        assert all("too few for a 99th percentile" in row["why_not"] for row in record.rows[1:])


@pytest.mark.usefixtures("nothing_left")
class TestGil:
    def test_every_case_has_a_row(self) -> None:
        record = gil(connections=4, seconds=0.1)
        assert [row["case"] for row in record.rows] == [ALONE, TOGETHER, BESIDE] and columns_are_whole(record)

    @pytest.mark.certify
    def test_a_computing_thread_slows_the_server(self) -> None:
        record = gil(connections=4, seconds=0.3)
        alone, beside = (record.value(case=case) or 0 for case in (ALONE, BESIDE))
        assert alone > beside > 0

    def test_without_a_gil_there_is_nothing_to_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreter_lock, "free_threaded", lambda: True)
        record = gil(connections=1, seconds=0.1)
        assert record.notes == ["beside one computing thread: this Python has no GIL"]

    def test_a_client_without_a_server_is_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interpreter_lock, "start", lambda model, cpu: Nobody())
        record = gil(connections=1, seconds=0.1)
        assert all(row["per_s"] is None and "Connection refused" in row["why_not"] for row in record.rows)

    def test_the_computing_thread_ends_with_its_block(self) -> None:
        with pytest.raises(ZeroDivisionError), computing():
            _ = 1 / 0


class Nobody:
    """A server that is not there."""

    address = DEAD

    def __enter__(self) -> "Nobody":
        return self

    def __exit__(self, *_: Any) -> None:
        pass


@pytest.mark.usefixtures("nothing_left")
class TestConnectionCost:
    def test_every_model_has_a_row_from_a_process_of_its_own(self) -> None:
        record = connection_cost(connections=(60,), models=("threads", "epoll"), seconds=0.2)
        assert [row["model"] for row in record.rows] == ["threads", "epoll"] and columns_are_whole(record)
        threads, epoll = (record.value(model=model) or 0 for model in ("threads", "epoll"))
        assert threads > epoll > 0
        assert all(row["setup_us_per_connection"] > 0 for row in record.rows)

    def test_too_many_are_a_reason(self) -> None:
        record = connection_cost(connections=(10**7,), models=("epoll",))
        assert "descriptor limit" in record.rows[0]["why_not"] and record.verdict.word == "cannot run here"

    def test_a_process_that_says_nothing_is_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fresh, "CHILD", "raise SystemExit('out of luck')")
        record = connection_cost(connections=(5,), models=("epoll",))
        assert record.rows[0]["why_not"] == "its process ended: out of luck"

    def test_one_that_hangs_is_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fresh, "CHILD", "import time; time.sleep(60)")
        monkeypatch.setattr(connections, "PATIENCE_S", 0.2)
        record = connection_cost(connections=(5,), models=("epoll",), seconds=0.1)
        assert record.rows[0]["why_not"] == "it had not ended after 0.2 s"


@pytest.mark.usefixtures("nothing_left")
class TestCopyCost:
    def test_every_size_has_a_row(self) -> None:
        record = copy_cost(sizes_bytes=(64, 1 << 20), rounds=30)
        assert [row["size_bytes"] for row in record.rows] == [64, 1 << 20] and columns_are_whole(record)
        for row in record.rows:
            assert row["copy_low_us"] <= row["copy_us"] <= row["copy_high_us"]
            assert row["why_not"] or (row["waking_us"] > 0 and row["running_us"] > 0)

    def test_where_switches_are_refused_there_is_the_copy_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iolab.experiments.copies.switches.why_not", lambda: "made up: refused")
        record = copy_cost(sizes_bytes=(64, 1 << 20), rounds=12)
        assert all(row["copy_us"] > 0 and row["waking_us"] is None for row in record.rows)
        assert record.signs[0].value and record.signs[1].word == "cannot run here"
        assert "made up: refused" in record.notes[0]
        alt = figures.experiment(record).alt
        assert "bytes there, call and copy: " in alt and "wake-up: no figures" in alt

    def test_a_size_that_does_not_fit_is_a_reason(self) -> None:
        (row,) = copy_cost(sizes_bytes=(1 << 26,), rounds=6).rows
        assert row["copy_us"] is None and "do not fit" in row["why_not"]


@pytest.mark.usefixtures("nothing_left")
class TestSame:
    def test_every_size_and_way_has_a_row(self) -> None:
        record = same(equals=4, rankings=1, seconds=0.01)
        assert [(row["models"], row["way"], row["judged"]) for row in record.rows] == [
            (2, EACH, 2), (2, ANY, 2), (2, HOLM, 2), (4, EACH, 3), (4, ANY, 1), (4, HOLM, 1),
        ]  # fmt: skip
        assert columns_are_whole(record)
        assert all(0 <= row["different"] <= row["judged"] for row in record.rows)

    def test_one_name_is_not_compared(self) -> None:
        with pytest.raises(UsageError, match="equals to be a whole number of 2 or more, not 1"):
            same(equals=1)

    def test_a_server_that_ends_is_a_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **options: Any) -> NoReturn:
            raise ServerFailed("epoll 1 ended by itself")

        monkeypatch.setattr("iolab.experiments.equals.compare", broken)
        record = same(equals=2)
        assert record.verdict.word == "cannot run here" and record.notes[0].endswith("epoll 1 ended by itself")

    def test_smaller_rankings_have_a_baseline_of_their_own(self) -> None:
        runs = [run_of(name, cost) for name, cost in (("a", 1), ("b", 2), ("c", 3), ("d", 9))]
        families = cut(Comparison(tuple(runs) * 8), "abcd", 2)
        assert families == [[[2.0] * 6], [[3.0] * 6]]


@pytest.mark.skipif(uring.why_not() is not None, reason=str(uring.why_not()))
class TestRings:
    def test_each_step_makes_fewer_system_calls_for_one_client(self) -> None:
        record = ring_steps(connections=(1,), requests=100, repeats=1)
        assert columns_are_whole(record)
        calls = {step: record.value("calls", step=step) or 0 for step in (ONESHOT, MULTISHOT, SILENT, ONE_ENTER)}
        assert {step: round(each) for step, each in calls.items()} == {
            ONESHOT: 3,
            MULTISHOT: 2,
            SILENT: 2,
            ONE_ENTER: 1,
        }
        assert round(record.value("calls", step=BASELINE) or 0) == 3

    def test_no_cpu_is_spare_where_both_may_run_on_any(self) -> None:
        assert spare_cpus(Placement(None, None, "one CPU for server and client")) == []

    def test_a_step_that_needs_a_third_cpu_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iolab.experiments.uring_steps.spare_cpus", lambda placement: [])
        record = ring_steps(connections=(1,), requests=20, repeats=1)
        assert record.value("times", step=POLLED) is None
        assert "there is no third" in record.notes[0]

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="a ring that a thread of the kernel polls needs x86")
    def test_the_polled_ring_serves_where_its_thread_has_to_share_a_cpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iolab.experiments.uring_steps.spare_cpus", lambda _: [max(os.sched_getaffinity(0))])
        record = ring_steps(connections=(1, 20), requests=100, repeats=1)
        assert [record.value("times", connections=count, step=POLLED) is None for count in (1, 20)] == [False, False]
        assert record.value("calls", connections=20, step=POLLED)

    def test_files_in_every_way(self) -> None:
        record = files(at_once=4, operations=20, repeats=1)
        assert columns_are_whole(record)
        assert [(row["work"], row["way"]) for row in record.rows] == list(
            itertools.product((WRITES, READS), (BLOCKING, POOL, RING))
        )
        assert all(record.value(work=WRITES, way=way) for way in (BLOCKING, POOL, RING))

    def test_without_io_uring_the_others_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uring, "why_not", lambda: "made up")
        record = files(at_once=2, operations=4, repeats=1)
        assert record.value(work=WRITES, way=RING) is None and record.value(work=WRITES, way=POOL)
        assert record.notes[0] == "durable writes, io_uring: made up"
