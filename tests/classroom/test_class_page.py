"""The page for instructors, from top to bottom: its commands as they stand there, in a tree of their own."""

import csv
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.classroom.support import ROOT, answering, cell, read, solution

pytestmark = [pytest.mark.certify, pytest.mark.timeout(900)]

PAGE = (ROOT / "docs/instructors.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    ((?:make|cd) .+)$", PAGE.partition("## Larger classes")[0], re.M)
SETTINGS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
EXERCISE = "03-epoll"
SERVES = "jupyter lab"
"""A command that goes on until it is ended."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the course as git has it, with the environment of this one."""
    tree = tmp_path_factory.mktemp("course") / "iolab"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in names.rstrip("\0").split("\0"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    (tree / "tools/setup").write_text("#!/bin/sh\n")
    return tree


def run(tree: Path, command: str) -> str:
    environment = os.environ | {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}", "HOME": str(tree.parent)}
    done = subprocess.run(
        command, shell=True, cwd=tree, env=environment, check=False, text=True, stdout=-1, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}"
    return done.stdout


def hand_in(tree: Path, student: str, text: str) -> None:
    """Put an answer where it is collected; it came in a day late."""
    course = tree / "build/class"
    book = read(course / f"release/{EXERCISE}/{EXERCISE}.ipynb")
    answering(text)(book)
    path = course / "submitted" / student / EXERCISE / f"{EXERCISE}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(book))
    path.with_name("timestamp.txt").write_text("2026-11-05 12:00 UTC")
    (path.parents[1] / "progress.json").write_text("{}")


def steps(tree: Path) -> Iterator[tuple[str, str]]:
    """Run each command of the page, and yield it with what it said; what the page has one do between, is done."""
    course = tree / "build/class"
    exchange = tree.parent / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    for command in COMMANDS:
        if command.endswith(SERVES) or f"{SERVES} " in command:
            continue
        yield command, run(tree, command)
        if command == "make release":
            with (course / "nbgrader_config.py").open("a") as settings:
                settings.write("".join(SETTINGS).replace("/srv/nbgrader/exchange", str(exchange)))
            for student, text in (("ann", solution(EXERCISE)), ("bob", "A = 1")):
                hand_in(tree, student, text)
            rows = ["Student,ID,SIS User ID,SIS Login ID,Section", "Ann,1,,ann,A", "Bob,2,,bob,A"]
            (course / "roster.csv").write_text("\n".join(rows))
        if "nbgrader db" in command:
            run(tree, "make grade")


def test_from_nothing_to_grades(tree: Path) -> None:
    said = dict(steps(tree))
    assert {"make release", "make grade", "make similar", "make progress"} <= set(said)
    course = tree / "build/class"
    assert (tree.parent / f"exchange/iolab/outbound/{EXERCISE}/{EXERCISE}.ipynb").exists()
    assert "ann" in said["make grade"] and (course / f"feedback/ann/{EXERCISE}/{EXERCISE}.html").exists()
    assert "the course's solution" in said["make similar"] and "ann" in said["make progress"]
    points = cell(read(tree / f"notebooks/exercises/{EXERCISE}/{EXERCISE}.ipynb"), "judged")["metadata"]["nbgrader"]
    rows = list(csv.reader((course / "grades.csv").read_text().splitlines()))
    assert rows[1][-1] == f"{points['points']}"
    late_days = 2  # of four that were begun, two are free
    assert float(rows[2][-1]) == pytest.approx(points["points"] * (1 - 0.25 * late_days))
    assert rows[3][-1] == "0"
    assert (course / "all.csv").exists()
