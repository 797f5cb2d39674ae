"""The parts of a call against a program that knows them: it sleeps, is woken, is preempted, and copies."""

import ctypes
import os
import re
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from iolab.kernel import switches, timestamps
from iolab.kernel.switches import Switch, Switches
from iolab.measurement.statistics import median_interval, pair
from iolab.trace.absences import Absences
from iolab.trace.calls import Call, watch
from iolab.trace.occupancy import Occupancy

pytestmark = [
    pytest.mark.certify,
    pytest.mark.skipif(switches.why_not() is not None, reason=str(switches.why_not())),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a thread and its partner need a CPU each"),
    pytest.mark.skipif(not shutil.which("cc"), reason="the truth is a program in C, and there is no cc"),
]
OURS, OTHER = sorted(os.sched_getaffinity(0))[:2] if len(os.sched_getaffinity(0)) > 1 else (0, 0)


class Truth(NamedTuple):
    """What the program says of one call, in ns; `arrived_real_ns` is the kernel's stamp."""

    start_ns: int
    end_ns: int
    arrived_real_ns: int
    before_write_ns: int
    after_write_ns: int
    cpu_ns: int
    gap_ns: int


class Watch(NamedTuple):
    """What the program says, and what the eye saw, call by call."""

    truths: list[Truth]
    seen: list[Occupancy]
    switches: list[Switch]
    thread: int


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth"
    source = Path(__file__).with_name("truth.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, source], check=True)
    return path


@contextmanager
def running(command: Sequence[str]) -> Iterator["tuple[int, subprocess.Popen[str]]"]:
    """Yield the number of the program's thread, which waits for a line, and the process."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline()), process


def rows(process: "subprocess.Popen[str]") -> list[Truth]:
    """Have the program do its rounds, and return what it says of them; it lives on."""
    assert process.stdin and process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return [Truth(*map(int, line.split())) for line in iter(process.stdout.readline, "end\n")]


def command(program: Path, mode: str, rounds: int, size_bytes: int) -> list[str]:
    partner = OURS if mode == "spin" else OTHER
    return [str(program), mode, str(rounds), str(size_bytes), str(OURS), str(partner)]


def observe(program: Path, mode: str, rounds: int = 200, size_bytes: int = 64, prefix: Sequence[str] = ()) -> Watch:
    offset_ns = timestamps.offset_ns()
    with running([*prefix, *command(program, mode, rounds, size_bytes)]) as (thread, process):
        with Switches([thread], cpu=OURS) as watched:
            truths = rows(process)
            recorded = watched.read()
    calls = [Call("recv", 0, row.start_ns, row.end_ns, 1, thread, arrival_ns(row, offset_ns)) for row in truths]
    absences = Absences(recorded, watched.since_ns, watched.until_ns)
    seen = [call.occupancy for call in watch(calls, absences)]
    assert None not in seen
    return Watch(truths, [each for each in seen if each], recorded, thread)


def arrival_ns(row: Truth, offset_ns: int) -> int | None:
    return row.arrived_real_ns + offset_ns if row.arrived_real_ns else row.before_write_ns or None


def median(values: Iterator[int] | Sequence[int]) -> float:
    return statistics.median(values)


def agree(seen_ns: Sequence[int], true_ns: Sequence[int]) -> bool:
    """Whether the median difference, call by call, is within 10 % or 5 µs."""
    off_ns = abs(median([one - other for one, other in zip(seen_ns, true_ns, strict=True)]))
    print(f"seen {median(seen_ns) / 1e3:.1f} µs, true {median(true_ns) / 1e3:.1f} µs, apart {off_ns / 1e3:.1f} µs")
    return off_ns <= max(5_000, median(true_ns) / 10)


class TestAgainstTheTruth:
    def test_asleep_is_until_the_partner_writes(self, program: Path) -> None:
        truths, seen, _, _ = observe(program, "wait")
        assert agree([each.asleep_ns for each in seen], [row.before_write_ns - row.start_ns for row in truths])

    def test_waking_is_from_the_write_to_the_return(self, program: Path) -> None:
        truths, seen, _, _ = observe(program, "wait")
        assert agree([each.waking_ns for each in seen], [row.end_ns - row.before_write_ns for row in truths])

    @pytest.mark.parametrize("size_bytes", [64, 4096, 65536, 1 << 20, 2 << 20])
    def test_running_is_the_cpu_time_of_a_copy(self, program: Path, size_bytes: int) -> None:
        if size_bytes > 128 << 10 and os.geteuid():
            pytest.skip("only root may put so much into a socket that nobody reads")
        truths, seen, _, _ = observe(program, "found", size_bytes=size_bytes)
        assert agree([each.running_ns for each in seen], [row.cpu_ns for row in truths])
        assert median([each.asleep_ns + each.waking_ns for each in seen]) == 0

    def test_preempted_is_the_time_that_the_thread_itself_misses(self, program: Path) -> None:
        truths, seen, _, _ = observe(program, "spin", rounds=40)
        assert agree([each.preempted_ns for each in seen], [row.gap_ns for row in truths])
        assert agree([each.running_ns for each in seen], [row.cpu_ns for row in truths])

    @pytest.mark.parametrize("mode", ["wait", "copy", "found", "spin"])
    def test_the_sum_is_the_length_of_the_call(self, program: Path, mode: str) -> None:
        truths, seen, _, _ = observe(program, mode, rounds=20)
        assert [sum(each) for each in seen] == [row.end_ns - row.start_ns for row in truths]
        assert all(part >= 0 for each in seen for part in each)

    def test_the_kernels_stamp_lies_within_the_write(self, program: Path) -> None:
        """On loopback the sender's own system call brings the bytes in."""
        offset_ns = timestamps.offset_ns()
        truths, _, _, _ = observe(program, "copy")
        assert median([row.arrived_real_ns + offset_ns - row.before_write_ns for row in truths]) > 0
        assert median([row.after_write_ns - row.arrived_real_ns - offset_ns for row in truths]) > 0

    def test_the_copy_grows_with_the_size_and_waking_does_not(self, program: Path) -> None:
        sizes_bytes = (64, 1 << 16, 1 << 18, 1 << 20, 2 << 20)
        runs = [[observe(program, "copy", 100, size).seen for size in sizes_bytes] for _ in range(5)]
        waking, copying = (
            [
                min(median([getattr(each, part) for each in run]) for run in column) / 1e3
                for column in zip(*runs, strict=True)
            ]
            for part in ("waking_ns", "running_ns")
        )  # of each size the run that others disturbed least
        print("bytes", *sizes_bytes, "\nwaking µs", *waking, "\nrunning µs", *copying)
        assert copying[-1] > copying[-2] > copying[-3] > copying[0]
        assert waking[-1] - waking[0] < (copying[-1] - copying[0]) / 5

    def test_a_lock_is_waited_for_until_the_other_thread_gives_it_away(self) -> None:
        waits = [wait_for_lock() for _ in range(25)]
        assert agree([seen.waking_ns + seen.lock_ns for seen, _ in waits], [busy_ns for _, busy_ns in waits])
        assert median([seen.lock_ns for seen, _ in waits]) > median([seen.waking_ns for seen, _ in waits])


def wait_for_lock() -> tuple[Occupancy, int]:
    """Return the parts of a read that ends while another thread is at work in Python, and how long that is so."""
    calls: list[Call] = []
    read_end, write_end = os.pipe()

    def read() -> None:
        start_ns = time.perf_counter_ns()
        os.read(read_end, 1)
        thread = threading.get_native_id()
        calls.append(Call("recv", 0, start_ns, time.perf_counter_ns(), 1, thread, arrived_ns))

    reader, keep, moments_ns = threading.Thread(target=read), ctypes.PyDLL(None), [0]
    with Switches([threading.get_native_id()]) as watched:
        reader.start()
        while "pipe" not in Path(f"/proc/self/task/{reader.native_id}/wchan").read_text():
            time.sleep(0.0005)
        arrived_ns = time.perf_counter_ns()
        keep.write(write_end, b"x", 1)  # os.write would give the lock away
        while not calls:
            moments_ns.append(time.perf_counter_ns())
        reader.join()
        (call,) = watch(calls, Absences(watched.read(), watched.since_ns))
    os.close(read_end)
    os.close(write_end)
    assert call.occupancy
    return call.occupancy, max(at_ns for at_ns in moments_ns if at_ns < calls[0].end_ns) - arrived_ns


@pytest.mark.skipif(not shutil.which("perf") or os.geteuid() != 0, reason="needs perf, and root to use it on a CPU")
def test_perf_sees_the_same_switches(program: Path, tmp_path: Path) -> None:
    data = tmp_path / "perf.data"
    prefix = f"perf record -q -a -k CLOCK_MONOTONIC -e sched:sched_switch -o {data} --".split()
    _, _, recorded, thread = observe(program, "wait", prefix=prefix)
    theirs = switches_of_perf(data, thread)
    ours = [switch for switch in recorded if switch.thread == thread]
    theirs = [switch for switch in theirs if ours[0].at_ns - 100_000 < switch[0] < ours[-1].at_ns + 1]
    assert [switch.away for switch in ours] == [away for _, away in theirs]
    apart_ns = [abs(mine.at_ns - at_ns) for mine, (at_ns, _) in zip(ours, theirs, strict=True)]
    print(f"{len(ours)} switches, apart {median(apart_ns) / 1e3:.1f} µs in the median")
    # perf's event is before the change of threads; the record of one that comes back is after it.
    assert median(apart_ns) < 10_000


def switches_of_perf(data: Path, thread: int) -> list[tuple[int, bool]]:
    """Return when perf saw a thread switch, and whether it left its CPU."""
    script = ["perf", "script", "-i", str(data), "--ns", "-F", "time,event,trace"]
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    line = re.compile(r"^\s*(\d+)\.(\d{9}):.* prev_pid=(\d+) .* next_pid=(\d+) ", re.MULTILINE)
    found = [(int(s) * 10**9 + int(ns), int(left), int(came)) for s, ns, left, came in line.findall(said)]
    return [(at_ns, left == thread) for at_ns, left, came in found if thread in (left, came)]


def test_records_of_switches_cost_a_call_nothing(program: Path) -> None:
    """One that does not sleep has no switch."""
    costs = median_interval(pair(*lengths_ns(program, "found")))
    print(f"with records {costs} of the time without")
    assert costs and costs.low <= 1.02


def test_a_sleep_with_records_costs_less_than_the_eye_can_tell(program: Path) -> None:
    recorded, plain = lengths_ns(program, "wait")
    more_us = [(one - other) / 1e3 for one, other in zip(recorded, plain, strict=True)]
    print(f"from the write to the return {statistics.median(plain) / 1e3:.1f} µs, more {median_interval(more_us)}")
    assert statistics.median(more_us) < 5


def lengths_ns(program: Path, mode: str) -> tuple[list[float], list[float]]:
    """Return the times of a call with records and without, a median for each of 20 runs in turns."""
    pairs = [(length_ns(program, mode, recording=True), length_ns(program, mode, recording=False)) for _ in range(20)]
    return [on for on, _ in pairs], [off for _, off in pairs]


def length_ns(program: Path, mode: str, recording: bool) -> float:
    """Return the median time of a call, or of a call from the write on, with or without records."""
    with running(command(program, mode, 150, 64)) as (thread, process):
        with Switches([thread] if recording else [], cpu=OURS):
            truths = rows(process)
    return median([row.end_ns - (row.before_write_ns if mode == "wait" else row.start_ns) for row in truths])
