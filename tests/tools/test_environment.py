"""`tools/setup` on machines that lack something: each failure is one line, and what is done is not done again."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("tools/setup", "tools/setup.txt", "uv.lock", "pyproject.toml")
TOOLS = "awk cat cmp cp date dirname grep ln mkdir mv readlink rm sed sh tail"
UNROUTABLE = "http://127.0.0.1:9/simple"

# Runs what tools/setup asks of a Python, under another version, and makes a make-believe .venv in no time.
STUB_PYTHON = """#!/bin/sh
echo "$@" >>calls
case "$1 $2" in
    "-m venv") mkdir -p .venv/bin && ln -sf '{stub}' .venv/bin/python ;;
    "-m pip") [ "$3" != install ] || {{ {pip}; }} ;;
    *) exec '{real}' -c 'import sys
sys.version_info, sys.executable, sys.prefix = {version}, "{stub}", sys.base_prefix
sys.modules.update({hidden})
exec(sys.argv[1])' "$2" ;;
esac
"""
STUB_UV = "#!/bin/sh\necho uv $1 >>calls\n{does}\n"


@dataclass(frozen=True)
class Machine:
    """A folder with the course in it, and a path with the usual tools but only the Pythons that a test puts there."""

    course: Path
    path: Path
    uv: Path

    def put_python(self, name: str, version: str, hidden: str = "{}", pip: str = "") -> Path:
        stub = self.path / name
        numbers = f"({', '.join(version.split('.'))}, 0)"
        pip = pip or f"cp '{self.uv}' .venv/bin/uv"
        values = {"stub": stub, "version": numbers, "hidden": hidden, "pip": pip, "real": sys.executable}
        stub.write_text(STUB_PYTHON.format(**values))
        stub.chmod(0o755)
        return stub

    def put_uv(self, does: str) -> None:
        self.uv.write_text(STUB_UV.format(does=does))
        self.uv.chmod(0o755)

    def set_up(self, **settings: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.path), "HOME": str(self.course), **settings}
        command = str(self.course / "tools/setup")
        return subprocess.run([command], env=env, cwd=self.course, capture_output=True, text=True, timeout=60)

    def calls(self) -> list[str]:
        """Return what was asked of the stubs since the last call, without the questions about versions."""
        calls = self.course / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return [line for line in lines if line.startswith(("-m venv", "-m pip install", "uv"))]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "a course", tmp_path / "bin", tmp_path / "uv")
    for name in COPIED:
        (machine.course / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, machine.course / name)
    machine.path.mkdir()
    for name in TOOLS.split():
        (machine.path / name).symlink_to(str(shutil.which(name)))
    machine.put_uv("exit 0")
    return machine


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """Give a machine on which the course was set up before."""
    machine.put_python("python3", "3.12")
    assert machine.set_up().returncode == 0
    machine.calls()
    return machine


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a failed set-up ends in."""
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("setup: "), done.stderr
    return lines[0]


@pytest.mark.parametrize("place", [".cache", ".cache/jupyter", ".cache/matplotlib"])
def test_a_cache_of_another_user_is_one_line_though_all_is_ready(installed: Machine, place: str) -> None:
    folder = installed.course / place
    folder.mkdir(exist_ok=True)
    command = [str(installed.course / "tools/setup")]
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("root may write anywhere, and setpriv, which ends that, is not installed")
        os.chown(folder, 65534, 65534)
        command = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *command]
    folder.chmod(0o555)
    done = subprocess.run(command, env={"PATH": str(installed.path)}, capture_output=True, text=True, check=False)
    folder.chmod(0o755)
    assert f"no permission to write in {installed.course}/{place}: make it yours (chown) or remove it" in failure(done)


@pytest.mark.parametrize("home", ["/proc/no-such-home", "/dev/null", "", "pyproject.toml"])
def test_a_home_that_cannot_be_written_leaves_downloads_in_the_folder(machine: Machine, home: str) -> None:
    machine.put_python("python3", "3.12", pip=f"echo $PIP_CACHE_DIR >caches; cp '{machine.uv}' .venv/bin/uv")
    machine.put_uv("echo $UV_CACHE_DIR >>caches")
    assert machine.set_up(HOME=home).returncode == 0
    here = machine.course / ".cache"
    assert (machine.course / "caches").read_text().splitlines() == [f"{here}/pip", f"{here}/uv"]


@pytest.mark.parametrize(("setting", "cache"), [("XDG_CACHE_HOME", "uv"), ("UV_CACHE_DIR", ""), ("HOME", ".cache/uv")])
def test_a_cache_that_can_be_written_is_used(machine: Machine, setting: str, cache: str) -> None:
    machine.put_python("python3", "3.12")
    machine.put_uv("echo $UV_CACHE_DIR >caches")
    settings = {"HOME": "/dev/null", setting: str(machine.course.parent / "home")}
    assert machine.set_up(**settings).returncode == 0
    asked = settings.get("UV_CACHE_DIR", "")  # else uv finds it by itself
    assert (machine.course / "caches").read_text() == f"{asked}\n"
    assert (machine.course.parent / "home" / cache).is_dir()


def test_without_python(machine: Machine) -> None:
    assert "needs Python 3.11 or newer, and found no Python" in failure(machine.set_up())


def test_with_old_pythons_and_a_shim_that_fails(machine: Machine) -> None:
    machine.put_python("python3", "3.9")
    machine.put_python("python", "2.7")
    (machine.path / "python3.12").write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
    (machine.path / "python3.12").chmod(0o755)
    assert "found python3 3.9, python 2.7: install one" in failure(machine.set_up())


@pytest.mark.parametrize(
    ("asked", "says"), [("python3.9", "found python3.9 3.9"), ("nowhere", "PYTHON=nowhere does not run")]
)
def test_python_as_asked_for(machine: Machine, asked: str, says: str) -> None:
    machine.put_python("python3", "3.12")
    machine.put_python("python3.9", "3.9")
    assert says in failure(machine.set_up(PYTHON=asked)) and machine.calls() == []


def test_without_venv_module(machine: Machine) -> None:
    machine.put_python("python3", "3.13", hidden='{"ensurepip": None}')
    assert "apt install python3.13-venv" in failure(machine.set_up())


def test_takes_the_python_that_has_all(machine: Machine) -> None:
    machine.put_python("python3", "3.9")
    machine.put_python("python3.13", "3.13", hidden='{"ensurepip": None}')
    machine.put_python("python3.11", "3.11")
    assert ".venv is ready: Python 3.11" in machine.set_up().stdout


def test_takes_a_python_newer_than_the_lock_last(machine: Machine) -> None:
    machine.put_python("python3", "3.15")
    assert ".venv is ready: Python 3.15" in machine.set_up().stdout
    machine.put_python("python3.12", "3.12")
    shutil.rmtree(machine.course / ".venv")
    assert ".venv is ready: Python 3.12" in machine.set_up().stdout


def test_second_run_sets_nothing_up(machine: Machine) -> None:
    machine.put_python("python3", "3.12")
    first = machine.set_up()
    assert first.returncode == 0 and first.stderr == "" and len(first.stdout.splitlines()) == 2
    assert len(machine.calls()) == 3
    for name in COPIED:
        os.utime(machine.course / name)
    second = machine.set_up()
    assert (second.returncode, second.stdout, second.stderr, machine.calls()) == (0, "", "", [])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_changed_dependencies_are_installed_in_place(installed: Machine) -> None:
    for name, old, new in (("uv.lock", 'name = "click"', 'name = "clack"'), ("pyproject.toml", "click>=", "click>=0")):
        edit(installed.course / name, old, new)
        installed.set_up()
        assert installed.calls() == ["uv sync"]


def test_changed_tool_settings_set_nothing_up(installed: Machine) -> None:
    edit(installed.course / "pyproject.toml", "[tool.ruff]", "[tool.ruff]\nshow-fixes = true")
    installed.set_up()
    assert installed.calls() == []


def test_vanished_python_is_replaced(machine: Machine) -> None:
    machine.put_python("python3.11", "3.11")
    machine.set_up()
    (machine.path / "python3.11").unlink()
    machine.put_python("python3.12", "3.12")
    assert ".venv is ready: Python 3.12" in machine.set_up().stdout


def test_another_python_can_be_asked_for(machine: Machine) -> None:
    machine.put_python("python3", "3.12")
    machine.put_python("python3.13", "3.13")
    machine.set_up()
    assert ".venv is ready: Python 3.13" in machine.set_up(PYTHON="python3.13").stdout
    assert machine.set_up(PYTHON="python3.13").stdout == ""
    assert machine.set_up().stdout == ""


def test_moved_folder_is_set_up_again(installed: Machine) -> None:
    moved = replace(installed, course=installed.course.rename(installed.course.with_name("moved")))
    assert "is ready" in moved.set_up().stdout
    assert len(moved.calls()) == 3


def test_interrupted_setup_does_not_count(machine: Machine) -> None:
    machine.put_python("python3", "3.12")
    machine.put_uv("kill -KILL $PPID")
    assert machine.set_up().returncode == -9
    machine.calls()
    machine.put_uv("exit 0")
    assert "is ready" in machine.set_up().stdout
    assert len(machine.calls()) == 3


def test_half_made_venv_on_the_path_is_not_used(machine: Machine) -> None:
    machine.put_python("python3", "3.12")
    half_made = machine.course / ".venv/bin"
    half_made.mkdir(parents=True)
    (half_made / "python3").write_text("#!/bin/sh\necho uv itself >>calls\nexit 1\n")
    (half_made / "python3").chmod(0o755)
    assert "is ready" in machine.set_up(PATH=f"{half_made}:{machine.path}").stdout
    assert "uv itself" not in machine.calls()


def test_second_setup_at_once_is_refused(machine: Machine) -> None:
    machine.put_python("python3", "3.12")
    (machine.course / ".cache").mkdir()
    (machine.course / ".cache/setup.lock").symlink_to(str(os.getpid()))
    assert f"another set-up is running here (process {os.getpid()})" in failure(machine.set_up())


FAILURES = {
    "No space left on device (os error 28)": "the disk is full",
    "Permission denied (os error 13)": "no permission to write",
    "invalid peer certificate: UnknownIssuer": "certificate is not trusted",
    "Hash mismatch for `click==8.5.1`": "a download differs from uv.lock",
    "Failed to build `gevent==26.9.0`": "install a C compiler, or name a Python from 3.11 to 3.14",
    "something else": "setup: something else (all of it: .cache/setup.log)",
}


@pytest.mark.parametrize(("output", "says"), FAILURES.items(), ids=lambda text: text.split("(")[0])
def test_failed_install_says_what_to_do(machine: Machine, output: str, says: str) -> None:
    machine.put_python("python3", "3.12")
    machine.put_uv(f"echo 'error: {output}' >&2; exit 2")
    assert says.removeprefix("setup: ") in failure(machine.set_up())


@pytest.mark.parametrize(
    "after",
    ["  hint: read our pages", "hint: See above for output from the failure.", "note: a new pip", "  help: ask us"],
)
def test_a_hint_of_another_tool_is_not_the_last_word(machine: Machine, after: str) -> None:
    machine.put_python("python3", "3.12")
    machine.put_uv(f"printf 'error: something else\\n\\n{after}\\n' >&2; exit 2")
    assert failure(machine.set_up()) == "setup: error: something else (all of it: .cache/setup.log)"


def test_no_network_for_pip(machine: Machine) -> None:
    pip = f"shift 2; exec '{sys.executable}' -m pip \"$@\""
    machine.put_python("python3", "3.12", pip=pip)
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_IGNORE_INSTALLED": "1"}
    assert "cannot be reached" in failure(machine.set_up(PIP_INDEX_URL=UNROUTABLE, **settings))


def test_no_network_for_uv(machine: Machine) -> None:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not in this environment: tools/setup puts it there")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(machine.course / ".venv")], check=True)
    (machine.course / ".venv/bin/uv").symlink_to(uv)
    (machine.course / ".venv/iolab-setup").write_text(f"{machine.course}\n3.{sys.version_info.minor}\n")
    settings = {"UV_HTTP_RETRIES": "0", "UV_CACHE_DIR": str(machine.course / "cache"), "UV_NO_CONFIG": "1"}
    assert "cannot be reached" in failure(machine.set_up(UV_INDEX_URL=UNROUTABLE, **settings))
