"""Reasons to distrust a run are there, and none for a run that can be trusted."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iolab.api import measure
from iolab.measurement import neighbours
from iolab.measurement import run as module
from iolab.measurement.neighbours import Neighbours, busy
from iolab.measurement.run import Run
from iolab.traffic.records import Records
from iolab.traffic.workload import Spacing, Workload
from tests.serving import busy_process

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc/stat is of Linux")
S = 1_000_000_000


@pytest.fixture(scope="module")
def run() -> Run:
    return measure("epoll", connections=2, requests=100)


def kinds(run: Run) -> list[str]:
    return [doubt.kind for doubt in run.doubts]


def records(workload: Workload, late_ns: int = 0, **told: object) -> Records:
    """Make the record of a schedule that was kept, but for a lateness that grows up to `late_ns`."""
    count = int((workload.rate_per_s or 0) * (workload.seconds or 1))
    due_ns = np.arange(count) * S // int(workload.rate_per_s or 1)
    sent_ns = due_ns + np.linspace(0, late_ns, count).astype(np.int64)
    times = {"due_ns": due_ns, "sent_ns": sent_ns, "answered_ns": sent_ns + 50_000, "start_ns": 0, "end_ns": 2 * S}
    usual = {"connection": np.zeros(count, np.int32), "connect_ns": 0, "client_cpu_ns": 0}
    return Records(workload, **(usual | times | told))  # type: ignore[arg-type]


class TestRate:
    def test_one_that_was_held_raises_none(self) -> None:
        assert list(records(Workload(rate_per_s=1000, seconds=1)).limits()) == []

    def test_neither_does_a_long_reply_nor_a_stall_in_the_midst(self) -> None:
        made = records(Workload(rate_per_s=1000, seconds=1))
        stalled = made.sent_ns + np.where((made.due_ns > 0.4 * S) & (made.due_ns < 0.6 * S), S // 5, 0)
        assert list(replace(made, answered_ns=made.answered_ns + S // 5).limits()) == []
        assert list(replace(made, sent_ns=stalled).limits()) == []

    def test_one_that_was_not_held_says_what_was(self) -> None:
        made = records(Workload(rate_per_s=200_000, seconds=1), late_ns=S // 2)
        assert [str(doubt) for doubt in made.limits()] == [
            "asked 200,000/s, held 133,327/s: 64,000 requests were left when the time was over"
        ]

    def test_what_was_never_sent_counts(self) -> None:
        made = records(Workload(rate_per_s=1000, seconds=1), errors={"not sent": 500})
        assert [doubt.figures["late"] for doubt in made.limits()] == [500]

    @pytest.mark.parametrize("spacing", ["even", "poisson"])
    def test_a_real_one_that_was_not(self, spacing: Spacing) -> None:
        lost = measure("epoll", connections=5, seconds=0.1, rate_per_s=5e6, patience_s=0.1, spacing=spacing)
        assert any(str(doubt).startswith("asked 5,000,000/s, held ") for doubt in lost.doubts)

    @pytest.mark.certify(reason="a busy machine keeps no rate")
    @pytest.mark.parametrize("spacing", ["even", "poisson"])
    def test_a_real_one_that_was(self, spacing: Spacing) -> None:
        kept = measure("epoll", connections=5, seconds=1, rate_per_s=100, spacing=spacing)
        assert "missed rate" not in kinds(kept)

    def test_a_closed_loop_has_no_rate(self, run: Run) -> None:
        assert "missed rate" not in kinds(run)


class TestTheOthers:
    def test_a_coarse_clock(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "coarse clock" not in kinds(run)
        monkeypatch.setattr(module, "clock_step_ns", lambda: 15_600_000)
        assert "the clock moves in steps of 15,600 µs: shorter times are guesses" in map(str, run.doubts)

    def test_neighbours(self, run: Run) -> None:
        alone, beside = (replace(run, neighbours_share=share) for share in (0.15, 0.4))
        assert "busy neighbours" not in kinds(alone)
        assert any("other processes took 40% of a core" in str(doubt) for doubt in beside.doubts)
        assert "busy neighbours" not in kinds(replace(run, neighbours_share=None))


@LINUX
class TestNeighbours:
    @pytest.fixture
    def stat(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "stat"
        monkeypatch.setattr(neighbours, "STAT", path)
        return path

    def write(self, stat: Path, user: int, irq: int = 0) -> None:
        columns = f"{user} 10 20 999 999 {irq} {irq} 5 {user} 0"
        stat.write_text(f"cpu {columns}\ncpu0 {columns}\ncpu1 {columns}\ncpu12 {columns}\nintr 1\n")

    def test_busy_is_what_ran_but_for_interrupts(self, stat: Path) -> None:
        self.write(stat, 100, irq=7)
        ticks = os.sysconf("SC_CLK_TCK")
        assert busy({0}) == 135 / ticks
        assert busy({0, 1}) == 270 / ticks
        assert busy({2}) == busy(set()) or busy({2}) == 0

    def test_what_is_ours_is_not_theirs(self, stat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        clocks = {"perf_counter": 0.0, "process_time": 0.0, "client": 0.0}
        monkeypatch.setattr(time, "perf_counter", lambda: clocks["perf_counter"])
        monkeypatch.setattr(time, "process_time", lambda: clocks["process_time"])
        monkeypatch.setattr(time, "clock_gettime", lambda clock: clocks["client"])
        self.write(stat, 0)
        watch = Neighbours({0, 1}, os.getpid())
        clocks.update(perf_counter=100.0, process_time=60.0, client=70.0)
        self.write(stat, 80 * ticks)  # 160 s on two CPUs in 100 s, of which 130 s are ours
        share = watch.share()
        assert share is not None and 0.25 < share < 0.3

    def test_a_moment_tells_nothing(self, stat: Path) -> None:
        self.write(stat, 0)
        watch = Neighbours({0, 1}, os.getpid())
        time.sleep(0.01)
        assert watch.share() == 0

    def test_where_there_is_no_such_file_nothing_is_known(self, stat: Path) -> None:
        assert Neighbours({0, 1}, os.getpid()).share() is None

    @pytest.mark.certify
    def test_a_real_one_is_seen(self, burner: int) -> None:
        watch = Neighbours({burner}, os.getpid())
        time.sleep(0.6)
        share = watch.share()
        assert share is not None and share > module.NEIGHBOUR_LIMIT

    @pytest.fixture
    def burner(self) -> Iterator[int]:
        """Keep a CPU busy with another process, and return its number."""
        cpu = max(os.sched_getaffinity(0))
        with busy_process(cpu):
            yield cpu
