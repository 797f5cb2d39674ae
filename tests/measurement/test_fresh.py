"""A call in a process of its own: what comes back from it, and what does not."""

import os
import sys
import time
from typing import NoReturn

import pytest

from iolab.display.progress_bar import Tick
from iolab.errors import ServerFailed, UsageError
from iolab.listening import ListeningSocket, Respond
from iolab.measurement import fresh
from iolab.measurement.comparison import compare
from iolab.measurement.fresh import in_fresh_process, measure_fresh
from iolab.models import MODELS, Model
from iolab.servers import poll
from iolab.traffic.workload import Workload

pytestmark = pytest.mark.usefixtures("nothing_left")
WORK = Workload(connections=2, requests=20)


def speak() -> int:
    print("on standard output")
    print("on standard error", file=sys.stderr)
    return os.getpid()


def refuse() -> NoReturn:
    raise UsageError("not like that")


def break_down() -> NoReturn:
    raise ZeroDivisionError("out of luck")


def mine(request: bytes) -> bytes:
    return request.upper()


def begin_slowly(listening: ListeningSocket, respond: Respond) -> None:
    """Serve as poll does, after half a second of work if it is the first time in this process."""
    if not began:
        began.append(time.thread_time() + 0.5)
        while time.thread_time() < began[0]:
            pass
    poll.serve(listening, respond)


began: list[float] = []


class TestCall:
    def test_each_has_a_process_of_its_own(self) -> None:
        assert len({in_fresh_process(os.getpid), in_fresh_process(os.getpid), os.getpid()}) == 3

    def test_what_it_prints_is_no_part_of_the_result(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert in_fresh_process(speak) > 0
        assert capfd.readouterr() == ("", "on standard output\non standard error\n")

    def test_a_refusal_comes_back(self) -> None:
        with pytest.raises(UsageError, match="not like that"):
            in_fresh_process(refuse)

    @pytest.mark.parametrize(
        ("child", "says"), [("raise SystemExit('out of luck')", "out of luck"), ("pass", "it said nothing")]
    )
    def test_one_that_ends_without_a_result_says_why(
        self, child: str, says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fresh, "CHILD", child)
        with pytest.raises(ServerFailed, match=f"its process ended: {says}"):
            in_fresh_process(os.getpid)

    def test_an_error_of_its_own_is_the_reason(self) -> None:
        with pytest.raises(ServerFailed, match="its process ended: ZeroDivisionError: out of luck"):
            in_fresh_process(break_down)

    def test_one_that_hangs_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fresh, "CHILD", "import time; time.sleep(60)")
        with pytest.raises(ServerFailed, match=r"it had not ended after 0.1 s"):
            in_fresh_process(os.getpid, patience_s=0.1)


class TestMeasure:
    def test_a_run_comes_back_whole(self) -> None:
        ticks: list[Tick] = []
        run = measure_fresh(MODELS["epoll"], WORK, on_tick=ticks.append)
        assert (run.model, len(run.records), run.records.errors) == ("epoll", 20, {})
        assert run.cpu_us_per_request and run.records.workload == WORK
        assert ticks == [Tick(0.0, 0, 0)]

    @pytest.mark.certify
    def test_what_a_server_does_once_in_a_process_does_not_count(self) -> None:
        run = measure_fresh(Model("slow", function=begin_slowly), WORK)
        assert run.cpu.total_ns < 0.5e9

    def test_a_function_keeps_its_name(self) -> None:
        assert measure_fresh(Model("mine", function=poll.serve), WORK).model == "mine"

    def test_what_cannot_be_imported_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UsageError, match="define it in a module that a fresh process can import"):
            measure_fresh(MODELS["epoll"], WORK, respond=lambda request: request)
        monkeypatch.setattr(sys.modules["__main__"], "mine", mine, raising=False)
        monkeypatch.setattr(mine, "__module__", "__main__")  # as in a notebook
        with pytest.raises(UsageError, match=r"Can't get attribute 'mine' .*: define it in a module"):
            measure_fresh(MODELS["epoll"], WORK, respond=mine)

    def test_a_comparison_in_fresh_processes(self) -> None:
        made = compare([MODELS["epoll"], MODELS["poll"]], [WORK], repeats=2, fresh=True)
        assert sorted(run.model for run in made.runs) == ["epoll", "epoll", "poll", "poll"]
