"""What the doctor says of this machine."""

import re
import subprocess
import sys

import pytest

import iolab
from iolab import health
from iolab.measurement.placement import Placement

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestDoctor:
    def test_every_model_is_there_and_says_whether_it_runs(self) -> None:
        report = iolab.doctor()
        assert [row["model"] for row in report.models] == list(iolab.MODELS)
        shown = report._repr_html_()
        *_, names = re.findall(r'<th scope="row"[^>]*>([^<]+)</th><td[^>]*>yes</td>', shown)
        assert names.split(", ") == [row["model"] for row in report.models if row["runs"]]

    def test_what_does_not_run_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(iolab.MODELS["epoll"]), "why_not", lambda model: "1 < 2")
        assert "no: 1 &lt; 2" in iolab.doctor()._repr_html_()


def test_loopback_that_is_down_is_a_finding_and_one_that_is_up_is_none() -> None:
    assert "loopback" not in [each.what for each in iolab.doctor().findings]
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespace can be made here, and loopback of this one stays up")
    code = "from iolab.health import _loopback; print(*_loopback())"
    done = subprocess.run(["unshare", "-rn", sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("loopback: down (no client reaches a server: Network is unreachable; `ip link set")
    for command in (["load", "127.0.0.1:9"], ["compare", "epoll"], ["timeline", "epoll"]):
        apart = ["unshare", "-rn", sys.executable, "-m", "iolab", *command]
        done = subprocess.run(apart, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("Network is unreachable; is the network up? `iolab doctor` tells\n")


def finding(what: str) -> health.Finding:
    return next(each for each in iolab.doctor().findings if each.what == what)


class TestConditions:
    @pytest.mark.parametrize(
        ("apart", "value", "means"),
        [
            (True, "accounted apart", "leaves out packets"),
            (False, "accounted to threads", "holds packets"),
            (None, "unknown", "no file tells"),
        ],
    )
    def test_whose_cpu_time_an_interrupt_is(
        self, apart: bool | None, value: str, means: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "interrupts_apart", lambda: apart)
        assert finding("interrupts").value == value and means in finding("interrupts").means

    @pytest.mark.parametrize(("free", "means"), [(True, "no GIL"), (False, "one thread runs Python at a time")])
    def test_whether_threads_run_python_at_the_same_time(
        self, free: bool, means: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "free_threaded", lambda: free)
        assert means in finding("Python").means

    @pytest.mark.parametrize(
        ("placement", "value", "means"),
        [
            (Placement(None, None, "one CPU for server and client"), "1", "take turns: one CPU for"),
            (Placement(None, 1, workers=(0, 1)), "2", "takes its share of one, so 2 times the replies"),
            (Placement(None, 7, workers=(0, 1, 2)), "3", "but the client's"),
        ],
    )
    def test_how_many_workers_make_sense(
        self, placement: Placement, value: str, means: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "spread", lambda: placement)
        assert finding("workers of a server").value == value and means in finding("workers of a server").means

    @pytest.mark.parametrize(
        ("placement", "value"), [(Placement(3, 4), "all on CPU 3"), (Placement(None, None, "one CPU"), "not pinned")]
    )
    def test_that_all_threads_of_a_server_share_a_cpu(
        self, placement: Placement, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "place", lambda: placement)
        assert finding("threads of a server").value == value
