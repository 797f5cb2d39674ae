"""`make lab`: what the launcher decides, and one JupyterLab opened for real."""

import errno
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tools/lab.py"
OPENED = r"The course is open at (http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)\n"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lab = load(LAB)


@pytest.fixture
def taken() -> Iterator[int]:
    """Hold a port that somebody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def run_lab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(LAB), *arguments], capture_output=True, text=True, timeout=60)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("lab: "), done.stderr
    return done.stderr


def test_port_in_use_names_a_free_one(taken: int) -> None:
    said = one_line(run_lab("--port", str(taken)))
    assert f"port {taken} is in use" in said
    free = re.search(r"make lab PORT=(\d+)", said)
    assert free is not None and lab.listen_error("127.0.0.1", int(free[1])) is None


def test_port_that_is_none() -> None:
    assert "expected a port from 1 to 65535, got 'http'" in one_line(run_lab("--port", "http"))


def test_address_of_another_machine() -> None:
    assert "192.0.2.1 is no address of this machine" in one_line(run_lab("--ip", "192.0.2.1"))


def test_port_for_root_only() -> None:
    refused = lab.refusal("127.0.0.1", 80, PermissionError(errno.EACCES, "Permission denied"))
    assert refused.startswith("port 80 is for root")


def test_without_a_port_the_next_free_one(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "FIRST_PORT", taken)
    chosen = lab.chosen_port("127.0.0.1", None)
    assert chosen != taken and lab.listen_error("127.0.0.1", chosen) is None


@pytest.mark.parametrize(
    ("env", "platform", "opens"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "a 1 b 22"}, "linux", False),
        ({"SSH_CONNECTION": "a 1 b 22", "BROWSER": "/opt/open-at-home"}, "linux", True),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "a 1 b 22"}, "darwin", False),
    ],
)
def test_browser_opens_only_where_one_is_seen(
    env: dict[str, str], platform: str, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "can_open_pages", lambda: True)
    assert lab.has_browser(env, platform) is opens


def test_ssh_line_leads_back_the_way_the_learner_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.getpass, "getuser", lambda: "ada")
    line = lab.ssh_line(8890, {"SSH_CONNECTION": "198.51.100.7 50000 203.0.113.9 2222"})
    assert line == "ssh -N -L 8890:127.0.0.1:8890 -p 2222 ada@203.0.113.9"
    assert "ada@" + socket.gethostname() in lab.ssh_line(8890, {})
    monkeypatch.setattr(lab.getpass, "getuser", lambda: r"school\ada lovelace")
    assert shlex.split(lab.ssh_line(8890, {}))[-1] == rf"school\ada lovelace@{socket.gethostname()}"


def test_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert lab.user_name() == "USER"


def makes(*arguments: str, **env: str) -> str:
    command = ["make", "--dry-run", "--no-print-directory", "--directory", str(ROOT), *arguments]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=True).stdout


def test_make_passes_on_only_what_its_command_line_says() -> None:
    assert "--ip '0.0.0.0' --port '9000' --update '1'" in makes("lab", "IP=0.0.0.0", "PORT=9000", "UPDATE=1")
    assert "--" not in next(line for line in makes("lab", IP="0.0.0.0", PORT="80").splitlines() if "lab.py" in line)


@pytest.mark.parametrize("target", ["lowest", "book"])
def test_a_space_in_the_path_of_the_course_splits_no_command(target: str) -> None:
    assert str(ROOT) not in makes(target), "a path that begins at the root has to be quoted"


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def test_opens_quietly_on_loopback_and_stops(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **{name: str(tmp_path / name) for name in folders}}
    command = [sys.executable, str(LAB), "--copy", str(tmp_path / "mine")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stderr is not None
        try:
            opened = re.fullmatch(OPENED, server.stdout.readline())
            assert opened is not None
            address, token = opened.groups()
            assert server.stdout.readline().startswith("No browser here.")
            assert json.loads(read(f"{address}/api/status?token={token}"))["kernels"] == 0
            lesson = json.loads(read(f"{address}/api/contents/{lab.FIRST_LESSON}?token={token}"))["content"]
            assert not [cell for cell in lesson["cells"] if cell.get("outputs")], "it opens the lessons as run"
            assert {path["name"] for path in json.loads(read(f"{address}/api/contents?token={token}"))["content"]} == {
                "README.md",
                "docs",
                "notebooks",
            }
            page = read(f"{address}/lab?token={token}")
            assert '"news": {"disabled": true}' in page and '"can_install": false' in page
            assert json.loads(read(f"{address}/lab/api/update?token={token}"))["notification"] is None
            assert '"disabledExtensions": ["@jupyter/nbgrader"]' in page
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)
        stopped = re.sub(r"\[C [^\]]*\] received signal 15, stopping\n", "", server.stderr.read())
        assert stopped == "" and list(home.iterdir()) == []


def test_an_update_is_offered_and_taken_when_asked_for(tmp_path: Path) -> None:
    assert lab.lay_out(tmp_path, False) == []
    (tmp_path / lab.FIRST_LESSON).write_text("mine")
    (tmp_path / ".iolab-lessons.json").unlink()  # as a copy that an older course laid out
    (says,) = lab.lay_out(tmp_path, False)
    assert says.startswith(f"A newer text of {lab.FIRST_LESSON} is there: `make lab UPDATE=1` takes it")
    assert lab.lay_out(tmp_path, True) == ["Yours are now notebooks/00_start_here-mine.ipynb."]
    assert lab.lay_out(tmp_path, False) == []


def test_a_copy_that_cannot_be_laid_out_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "notebooks").touch()
    assert "cannot write the lessons to" in one_line(run_lab("--copy", str(tmp_path)))


def test_a_binder_lays_out_the_copy_and_opens_there(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tools/jupyter", tmp_path / "tools/jupyter")
    prefix, path = tmp_path / "prefix", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "NB_PYTHON_PREFIX": str(prefix), "PATH": path}
    subprocess.run([ROOT / "postBuild"], cwd=tmp_path, env=env, check=True, capture_output=True)
    settings = json.loads((prefix / "etc/jupyter/jupyter_server_config.json").read_text())
    assert settings == {"ServerApp": {"root_dir": str(tmp_path / "my-course")}}
    assert (tmp_path / "my-course" / lab.FIRST_LESSON).exists()
    assert (prefix / "etc/jupyter/labconfig/page_config.json").exists()
    badges = re.findall(r"urlpath=lab/tree/(\S+?)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert badges and all((tmp_path / "my-course" / each).exists() for each in badges)


def test_a_learner_has_no_tools_of_a_teacher() -> None:
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert "-e .[models]" in environment, "a Binder must not install nbgrader, which is in the extra `class`"
    installed = ROOT.glob(".venv/etc/jupyter/jupyter_server_config.d/nbgrader.json")
    names = [name for path in installed for name in json.loads(path.read_text())["ServerApp"]["jpserver_extensions"]]
    assert [name for name in names if f"'{name}': False" not in " ".join(lab.quiet_arguments())] == []
