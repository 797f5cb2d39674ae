"""What the machine says of itself, from made-up files."""

import gzip
import platform
import sys
from pathlib import Path

import pytest

from iolab.measurement.machine import interrupts_apart, machine

ON, OFF = b"CONFIG_A=y\nCONFIG_IRQ_TIME_ACCOUNTING=y\n", b"# CONFIG_IRQ_TIME_ACCOUNTING is not set\nCONFIG_A=y\n"


class TestInterruptsApart:
    @pytest.mark.parametrize(("config", "apart"), [(ON, True), (OFF, False), (b"", False)])
    def test_the_running_kernel_tells(self, config: bytes, apart: bool, tmp_path: Path) -> None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/config.gz").write_bytes(gzip.compress(config))
        assert interrupts_apart(tmp_path) is apart

    def test_or_the_file_that_a_distribution_lays_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "boot").mkdir()
        (tmp_path / f"boot/config-{platform.release()}").write_bytes(ON)
        assert interrupts_apart(tmp_path) is True

    def test_without_either_nobody_knows(self, tmp_path: Path) -> None:
        assert interrupts_apart(tmp_path) is None

    def test_a_broken_file_tells_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/config.gz").write_bytes(b"no gzip")
        assert interrupts_apart(tmp_path) is None


class TestMachine:
    def test_a_recorded_run_says_what_its_cpu_time_leaves_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iolab.measurement.machine.interrupts_apart", lambda: True)
        assert machine().kernel.endswith(", interrupts apart")

    def test_and_that_it_had_no_gil(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
        assert str(machine()).endswith(", free-threaded")

    def test_what_is_as_usual_is_not_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("iolab.measurement.machine.interrupts_apart", lambda: False)
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
        assert "apart" not in str(machine()) and "free" not in str(machine())
