"""`make newcomer`: what is cold, what is told, and what it leaves. The run itself needs a network and a browser."""

import os
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tools import newcomer

SHOWN = '<img src="data:image/png;base64,AA==" alt="A figure, told in words.">'


def cell(*outputs: dict[str, Any], count: int | None = 1) -> dict[str, Any]:
    return {"execution_count": count, "outputs": list(outputs)}


FIGURE = {"output_type": "execute_result", "data": {"text/html": [SHOWN]}}
ERROR = {"output_type": "error", "ename": "OSError", "evalue": "no room"}


GIVEN = {
    "HOME": "/home/ada",
    "PATH": f"{newcomer.ROOT}/.venv/bin:/usr/bin",
    "PIP_CACHE_DIR": "/home/ada/cache",
    "PIP_FIND_LINKS": "/home/ada/wheels",
    "UV_CACHE_DIR": "/home/ada/uv",
    "MAKEFLAGS": "-j",
    "PYTHONPATH": "/home/ada/lib",
    "DISPLAY": ":0",
    "IOLAB_PROFILE": "full",
}
NEEDED = {
    "PIP_INDEX_URL": "https://mirror/simple",
    "UV_DEFAULT_INDEX": "https://mirror/simple",
    "SSL_CERT_FILE": "/etc/ssl/ours.pem",
    "PIP_CERT": "/etc/ssl/ours.pem",
    "https_proxy": "http://proxy:3128",
}


class TestTheEnvironment:
    def test_nothing_fetched_or_set_before_is_in_it(self, tmp_path: Path) -> None:
        env = newcomer.cold(tmp_path, GIVEN)
        assert not any("/home/ada" in value for value in env.values())
        assert set(env) == {*newcomer.EMPTY, "PATH", "LANG", "SSH_CONNECTION"} and env["PATH"] == "/usr/bin"
        folders = [Path(env[name]) for name in newcomer.EMPTY]
        assert len(set(folders)) == len(folders) and all(each.parent == tmp_path for each in folders)

    def test_the_way_to_the_index_is_kept(self, tmp_path: Path) -> None:
        env = newcomer.cold(tmp_path, GIVEN | NEEDED)
        assert {name: env.get(name) for name in NEEDED} == NEEDED

    def test_its_folders_are_there_and_empty(self, tmp_path: Path) -> None:
        env = newcomer.prepare(tmp_path)
        assert [list(Path(env[name]).iterdir()) for name in newcomer.EMPTY] == [[]] * len(newcomer.EMPTY)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([cell(FIGURE), cell()], []),
        ([cell(FIGURE), cell(ERROR), cell(count=None)], ["cell 2 failed: OSError: no room", "cell 3 did not run"]),
        ([cell(), cell()], ["0 of 1 figures are there"]),
    ],
)
def test_what_went_wrong_is_told(cells: list[dict[str, Any]], says: list[str]) -> None:
    assert newcomer.wrong(cells, expected=1) == says


class TestTheVerdict:
    @pytest.mark.parametrize(
        ("seconds", "found", "status", "last"),
        [
            (80.0, [], 0, "total                    100.0 s of 180 s"),
            (80.0, ["cell 2 did not run"], 1, "cell 2 did not run"),
            (170.0, [], 1, "total                    190.0 s: over 180 s"),
        ],
    )
    def test_late_or_wrong_is_status_1(
        self, seconds: float, found: list[str], status: int, last: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert newcomer.verdict(newcomer.Clock([("clone", 20.0), ("set-up", seconds)]), found) == status
        assert capsys.readouterr().out.splitlines()[-1] == last

    def test_every_step_has_its_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        clock = newcomer.Clock()
        for step in ("clone", "set-up"):
            clock.ended(step)
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["clone", "set-up"]

    def test_without_a_browser_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(newcomer, "browser_here", lambda: None)
        with pytest.raises(SystemExit, match=r"newcomer: there is no Chromium here; .*apt-get install chromium$"):
            newcomer.main()


class TestMakeLab:
    def made(self, course: Path, lines: str) -> AbstractContextManager[newcomer.Made]:
        (course / "Makefile").write_text(f"lab:\n\t@{lines}\n")
        return newcomer.make_lab(course, dict(os.environ), course / "log")

    def test_what_the_set_up_says_is_the_reason(self, tmp_path: Path) -> None:
        with self.made(tmp_path, "echo a; echo 'setup: the disk is full (see .cache/setup.log)' >&2; exit 1") as made:
            with pytest.raises(newcomer.Failed, match=r"^make lab ended: setup: the disk is full$"):
                made.said(newcomer.READY)

    def test_it_is_waited_for_no_longer_than_patience_lasts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(newcomer, "PATIENCE_S", 0.2)
        with self.made(tmp_path, "sleep 60") as made:
            with pytest.raises(newcomer.Failed, match=r"did not get so far in 0.2 s: it said nothing"):
                made.said(newcomer.READY)

    def test_all_that_it_started_is_ended(self, tmp_path: Path) -> None:
        opened = "The course is open at http://127.0.0.1:9/lab/tree/a.ipynb?token=abc"
        with self.made(tmp_path, f"sleep 60 & echo $$! > pid; echo {opened!r}; wait") as made:
            assert made.said(newcomer.OPEN).groups() == ("http://127.0.0.1:9", "abc")
            pid = int((tmp_path / "pid").read_text())
        deadline = time.monotonic() + 10
        while state(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not state(pid)


def state(pid: int) -> str:
    """Return the state of a process, or nothing if it has ended; init may be slow to reap it."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return "" if said.startswith("Z") else said
