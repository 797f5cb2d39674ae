"""Records of thread switches: exact against the kernel's own count, and a reason where they are refused."""

import os
import resource
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iolab.kernel import perf, switches
from iolab.kernel.switches import Switch, Switches
from tests.kernel.support import run_script
from tests.serving import busy_process

pytestmark = pytest.mark.usefixtures("nothing_left")
needs_records = pytest.mark.skipif(switches.why_not() is not None, reason=str(switches.why_not()))


def state(thread: int) -> str:
    """Return what a thread of this process sleeps in, by the kernel's name for it."""
    return Path(f"/proc/self/task/{thread}/wchan").read_text()


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.0005)


def in_thread(work: Callable[[], None]) -> int:
    """Run something in a thread of its own to its end, and return the thread's number."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert thread.native_id
    return thread.native_id


def sleep_often(times: int, cpu: int | None = None) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    for _ in range(times):
        time.sleep(1e-6)


def counts() -> tuple[int, int, int]:
    """Return a time, and how often this thread had slept and had been preempted by then."""
    while True:
        before, at_ns, after = usage(), time.perf_counter_ns(), usage()
        if before == after:
            return at_ns, *after


def usage() -> tuple[int, int]:
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_nvcsw, used.ru_nivcsw


def of(thread: int, recorded: list[Switch]) -> list[Switch]:
    return [switch for switch in recorded if switch.thread == thread]


@needs_records
class TestSwitches:
    def test_a_thread_that_waits_is_away_until_it_is_woken(self) -> None:
        read_end, write_end = os.pipe()
        thread = threading.Thread(target=os.read, args=(read_end, 1))
        with Switches([threading.get_native_id()]) as watch:
            thread.start()
            until(lambda: "pipe" in state(thread.native_id or 0))
            wake_ns = time.perf_counter_ns()
            os.write(write_end, b"x")
            thread.join()
            recorded = of(thread.native_id or 0, watch.read())
        os.close(read_end)
        os.close(write_end)
        before = [switch for switch in recorded if switch.at_ns < wake_ns]
        after = [switch for switch in recorded if switch.at_ns >= wake_ns]
        assert before[-1].away and not before[-1].preempted
        assert not after[0].away

    def test_a_thread_leaves_and_returns_in_turn(self) -> None:
        with Switches([threading.get_native_id()]) as watch:
            thread = in_thread(lambda: sleep_often(20))
            recorded = of(thread, watch.read())
        assert [switch.away for switch in recorded] == [bool(turn % 2) for turn in range(len(recorded))]
        assert watch.until_ns is None

    def test_sleeps_and_preemptions_are_as_many_as_the_kernel_counts(self) -> None:
        cpu = min(os.sched_getaffinity(0))

        def work() -> None:
            os.sched_setaffinity(0, {cpu})
            with busy_process(cpu), Switches([threading.get_native_id()]) as watch:
                start_ns, slept, preempted = counts()
                while usage()[1] < preempted + 3:
                    sleep_often(1)
                    sum(range(10_000))
                end_ns, slept_then, preempted_then = counts()
                recorded = [switch for switch in watch.read() if switch.away and start_ns < switch.at_ns < end_ns]
            mine = [switch.preempted for switch in of(threading.get_native_id(), recorded)]
            results.append((mine.count(False), mine.count(True), slept_then - slept, preempted_then - preempted))

        results: list[tuple[int, int, int, int]] = []
        in_thread(work)
        assert results[0][:2] == results[0][2:]

    def test_threads_of_threads_are_seen_from_their_first_instruction(self) -> None:
        grandchild: list[int] = []
        with Switches([threading.get_native_id()]) as watch:
            child = in_thread(lambda: grandchild.append(in_thread(lambda: None)))
            recorded = watch.read()
        for thread in (child, *grandchild):
            assert of(thread, recorded)[0].away is False

    def test_a_process_that_a_thread_starts_is_not_seen(self) -> None:
        with Switches([threading.get_native_id()]) as watch:
            child = subprocess.run(
                [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
            )
            assert not of(int(child.stdout), watch.read())

    def test_a_thread_that_has_ended_is_passed_over(self) -> None:
        thread = in_thread(lambda: None)
        until(lambda: not Path(f"/proc/self/task/{thread}").exists())
        with Switches([thread]) as watch:
            assert watch.read() == []

    def test_a_full_ring_tells_from_when_on_switches_are_missing(self) -> None:
        with Switches([threading.get_native_id()], cpu=-1) as watch:  # a small ring everywhere
            in_thread(lambda: sleep_often(4_000, cpu=min(os.sched_getaffinity(0))))
            end_ns = time.perf_counter_ns()
            recorded = watch.read()
        assert watch.until_ns is not None and watch.since_ns < watch.until_ns < end_ns
        assert len(recorded) < 8_000

    def test_the_large_ring_holds_more_than_100_000_switches(self) -> None:
        assert switches.ROOM_BYTES // 24 > 100_000


def test_records_lie_end_to_end() -> None:
    data = struct.pack("=IHHIIQ", 14, 0x2000, 24, 1, 2, 3) + struct.pack("=IHH", 5, 0, 8)
    first, second = perf.records_of(data)
    assert first == perf.Record(14, 0x2000, struct.pack("=IIQ", 1, 2, 3))
    assert second == perf.Record(5, 0, b"")


AS_NOBODY = """
import os, resource, threading, time
from iolab.kernel.switches import Switches, why_not
resource.setrlimit(resource.RLIMIT_MEMLOCK, ({memory}, {memory}))
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
assert why_not() is None, why_not()
with Switches([threading.get_native_id()], cpu=0) as watch:
    time.sleep(0.001)
    print(os.getuid(), any(switch.away for switch in watch.read()))
"""


@needs_records
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(perf.paranoid() not in ("-1", "0", "1", "2"), reason="perf_event_paranoid is above 2 here")
@pytest.mark.parametrize("memory", [8 << 20, 0], ids=["memory-to-lock", "no-memory-to-lock"])
def test_an_ordinary_user_may_record_them(memory: int) -> None:
    assert run_script(AS_NOBODY.format(memory=memory)) == "65534 True"


REFUSED = """
import platform
from iolab.kernel import confinement, perf, switches
confinement.refuse(perf.NUMBERS[platform.machine()], {error})
print(switches.why_not())
"""


class TestWhyNot:
    @needs_records
    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (1, "forbidden here, as Docker's default seccomp profile does"),
            (13, "kernel.perf_event_paranoid is"),
            (38, "has no perf_event_open"),
            (22, "need Linux 4.3"),
            (24, "Too many open files"),
        ],
    )
    def test_a_refusal_names_its_cause_in_one_sentence(self, error: int, why: str) -> None:
        answer = run_script(REFUSED.format(error=error))
        assert why in answer
        assert "\n" not in answer

    @needs_records
    def test_a_user_who_may_lock_no_memory_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("mmap.mmap", refuse)
        assert "perf_event_mlock_kb" in str(switches.why_not())

    def test_another_system_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert switches.why_not() == "perf_event_open(2) is Linux's, and this is darwin"

    def test_another_machine_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("platform.machine", lambda: "alpha")
        assert "on alpha is not known here" in str(switches.why_not())
