"""Experiments with several processes: each run once, tiny; and in certify, held against strace and their bounds."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from iolab.errors import LoadFailed
from iolab.experiments import Result, crews
from iolab.experiments.balances import MODELS, balance
from iolab.experiments.core_counts import cores, serial_part, speed_up, subjects
from iolab.experiments.crews import accepted, await_sleep, busiest, serve
from iolab.experiments.herds import _count, herd
from iolab.measurement.placement import Placement
from iolab.models import find
from tests.made_up import machine_without
from tests.peers import connect

pytestmark = [
    pytest.mark.skipif(bool(find("prefork").why_not()), reason="several processes are for Linux alone"),
    pytest.mark.usefixtures("nothing_left"),
]


def columns_are_whole(record: Result) -> bool:
    return all(set(row) == set(record.columns()) for row in record.rows)


def test_every_worker_wakes_or_one() -> None:
    record = herd(workers=(3,), connections=5)
    assert [row["model"] for row in record.rows] == ["prefork", "prefork-exclusive"] and columns_are_whole(record)
    assert all(row["wake_ups"] >= 1 and row["cpu_us"] > 0 for row in record.rows)


def test_connections_fall_on_workers() -> None:
    record = balance(workers=2, connections=4, at_once=4, rounds=1, stall_s=0.05)
    assert [row["model"] for row in record.rows] == [*MODELS] and columns_are_whole(record)
    assert record.value("busiest", model="handoff") == 0.5
    assert record.value("late", model="handoff") == 0.5
    assert record.value("max_us", model="handoff") > 25_000  # type: ignore[operator]


def test_one_worker_and_one_for_each_core() -> None:
    record = cores(work_us=(200,), connections=2, seconds=0.05, repeats=1)
    assert columns_are_whole(record) and not any(row["why_not"] for row in record.rows)
    assert {row["model"] for row in record.rows} == {"threads", "prefork", "handoff"}


def test_what_cannot_run_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in MODELS:
        machine_without(model, "made up", monkeypatch)
    records = herd(workers=(2,), connections=1), balance(connections=1), cores((0,), 1, 0.05, 1)
    assert [any("made up" in note for note in record.notes) for record in records] == [True] * 3
    assert [record.verdict.word for record in records[:2]] == ["cannot run here"] * 2


def test_a_condition_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "PATIENCE_S", 0)
    with pytest.raises(LoadFailed, match="nobody came in 0 s"):
        crews.until(lambda: False, "nobody came")


def test_amdahl() -> None:
    for serial in (0.0, 0.1, 1.0):
        assert serial_part(speed_up(serial, 4), 4) == pytest.approx(serial)
    assert serial_part(1.5, 1) is None and serial_part(0.9, 2) == 1
    assert busiest([0, 0]) is None and busiest([3, 1]) == 0.75


def test_many_cores_are_measured_by_powers_of_two() -> None:
    counts = [count for name, count in subjects(Placement(None, 7, workers=tuple(range(7)))) if name == "handoff"]
    assert counts == [1, 2, 4, 7]
    assert ("handoff", 1) in subjects(Placement(None, None, "one CPU"))


@contextmanager
def strace(pids: list[int], report: Path) -> Iterator[None]:
    """Count the accepts of processes by strace, from when it is attached to all of them."""
    which = [word for pid in pids for word in ("-p", str(pid))]
    command = ["strace", "-c", "-e", "trace=accept4", "-o", str(report), *which]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr
        for _ in pids:
            assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)


@pytest.mark.certify
@pytest.mark.parametrize("name", ["prefork", "prefork-exclusive"])
def test_accepts_in_vain_are_those_that_strace_counts(name: str, tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    with serve(find(name), 4) as (server, crew):
        with strace(crew.pids[1:], tmp_path / "report"):
            clients = [connect(server.address) for _ in range(50)]  # all at once: several come in time, and in vain
            crews.until(lambda: sum(accepted(crew)) == 50, "not all were accepted")
            for client in clients:
                client.close()
            _count(server.address, crew, 50)
            await_sleep(crew)
        counts = sum(accepted(crew)), sum(row.vain for row in crew.rows)
    line = re.search(r"(\d+) +(\d+)? +accept4$", (tmp_path / "report").read_text(), re.MULTILINE)
    assert line
    calls, errors = int(line[1]), int(line[2] or 0)
    assert (calls - errors, errors) == counts
    assert counts[1] or name != "prefork"


@pytest.mark.certify
def test_processes_use_both_cores_and_threads_use_one() -> None:
    record = cores(work_us=(1000,), seconds=0.5, repeats=8)
    assert record.verdict.word == "holds", record.verdict
    workers: Any = next(row for row in record.rows if (row["model"], row["workers"]) == ("handoff", record.cores))
    threads: Any = next(row for row in record.rows if row["model"] == "threads")
    assert workers["low"] >= 1.8 and threads["high"] <= 1.1


@pytest.mark.certify
def test_all_wake_without_the_flag_and_one_with_it() -> None:
    assert herd(workers=(8,), connections=200).verdict.word == "holds"


@pytest.mark.certify
def test_one_socket_is_uneven_and_has_the_short_tail() -> None:
    assert balance(connections=200, rounds=5).verdict.word == "holds"
