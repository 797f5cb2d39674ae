"""What a release gives: a wheel, made of the source archive, that brings the lessons and needs no checkout."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import iolab
from iolab.course import lessons

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "iolab", "data", "docs", "notebooks")
LESSONS = sorted(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def clean() -> dict[str, str]:
    """Return an environment that does not lead to this checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(*command: object, folder: Path) -> str:
    done = subprocess.run(
        [str(each) for each in command], cwd=folder, env=clean(), capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    course = tmp_path_factory.mktemp("course")
    for name in SOURCES:
        copy: Any = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, course / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", course / "dist", course, folder=course)
    (made,) = (course / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def bin_(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment of its own; what it depends on is borrowed from here."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, folder=home)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "install", "--no-index", "--no-deps")
    run(*pip, wheel, folder=home)
    site = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    # A plain path: the files that make an editable iolab importable are not read there.
    Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return home / "bin"


class TestTheWheel:
    def test_it_is_what_runs(self, bin_: Path, tmp_path: Path) -> None:
        code = "import iolab, json; print(json.dumps([iolab.__file__, list(iolab.reference('wait_cost').about)]))"
        file, about = json.loads(run(bin_ / "python", "-c", code, folder=tmp_path))
        assert Path(file).is_relative_to(bin_.parent) and "machine" in about

    def test_it_has_the_recorded_runs(self, bin_: Path, tmp_path: Path) -> None:
        code = "from iolab.archive.fallback import file_of; print(file_of('06-one-epoll').stat().st_size)"
        assert int(run(bin_ / "python", "-c", code, folder=tmp_path)) > 0

    def test_it_has_every_module(self, wheel: Path) -> None:
        modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "iolab").rglob("*.py")}
        assert {name for name in ZipFile(wheel).namelist() if name.endswith(".py")} == modules

    def test_it_serves_and_measures(self, bin_: Path, tmp_path: Path) -> None:
        shown = json.loads(run(bin_ / "iolab", "compare", "epoll", "--requests", 100, "--json", folder=tmp_path))
        assert shown["rows"][0]["requests"] == 100

    def test_one_serves_what_another_loads(self, bin_: Path, tmp_path: Path) -> None:
        serving = [str(bin_ / "iolab"), "serve", "epoll", "--port", "0"]
        with subprocess.Popen(serving, cwd=tmp_path, env=clean(), stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                address = server.stdout.readline().split()[3].rstrip(";")
                shown = json.loads(run(bin_ / "iolab", "load", address, "--requests", 100, "--json", folder=tmp_path))
            finally:
                server.send_signal(signal.SIGINT)
        assert (shown["requests"], server.returncode) == (100, 130)

    def test_it_judges_an_answer(self, bin_: Path, tmp_path: Path) -> None:
        (tmp_path / "answer.py").write_text(str(iolab.source("epoll")))
        shown = json.loads(run(bin_ / "iolab", "grade", "03-epoll", "answer.py", "--json", folder=tmp_path))
        assert [check["says"] for check in shown["checks"] if not check["passed"]] == [] and shown["score"] > 0

    def test_it_gives_the_lessons_without_their_outputs(self, bin_: Path, tmp_path: Path) -> None:
        shown = json.loads(run(bin_ / "iolab", "lessons", "mine", "--json", folder=tmp_path))
        assert [name for name in shown["new"] if re.match(r"notebooks/\d", name)] == LESSONS
        for name in (*LESSONS, "docs/glossary.md"):
            assert (tmp_path / "mine" / name).read_bytes() == learner_copy(name)

    def test_it_has_the_solutions_where_the_judge_lets_no_answer_read(self, bin_: Path, tmp_path: Path) -> None:
        said = run(bin_ / "iolab", "solution", "03-epoll", "--yes", folder=tmp_path)
        assert said.strip() == iolab.solution("03-epoll", ask=False)
        code = "from iolab.course.solutions import HIDDEN; from iolab.exercises.sandbox import reach; print(HIDDEN); "
        code += "print(*reach.list_readable(), sep='\\n')"
        hidden, *readable = run(bin_ / "python", "-c", code, folder=tmp_path).splitlines()
        assert readable and not [each for each in readable if Path(hidden).is_relative_to(each)]

    def test_every_link_of_a_copied_lesson_that_is_no_address_resolves(self, bin_: Path, tmp_path: Path) -> None:
        run(bin_ / "iolab", "lessons", tmp_path, folder=tmp_path)
        for path in tmp_path.rglob("notebooks/**/*.ipynb"):
            assert [link for link in links(path) if not (path.parent / link).exists()] == []


def learner_copy(name: str) -> bytes:
    text = (ROOT / name).read_text(encoding="utf-8")
    return (lessons.clear(text, Path(name).name[:2]) if name.endswith(".ipynb") else text).encode()


def links(lesson: Path) -> list[str]:
    cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [part.split(")")[0] for part in text.split("](")[1:] if "://" not in part.split(")")[0]]
