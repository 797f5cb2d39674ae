"""The commands and files that the pages for instructors show: each is one that works."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from iolab.cli.main import main
from iolab.exercises import EXERCISES

ROOT = Path(__file__).resolve().parents[2]
CI = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
FILES: list[Any] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", CI, re.S)]
GRADE = sorted(set(re.findall(r"(?:^    |- run: |command: |- )(iolab grade [^\n#]*)", CI, re.M)))
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
COMMANDS = sorted({line for page in PAGES for line in re.findall(r"^    (iolab [^\n#]*)", page.read_text(), re.M)})


@pytest.mark.parametrize("line", sorted({*GRADE, *COMMANDS}))
def test_a_command_has_no_option_that_there_is_not(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where --figure and the like may make folders
    _, name, *arguments = ["1" if word == "PID" else word for word in shlex.split(line)]
    command = main.get_command(click.Context(main), name)
    assert command is not None
    command.make_context(name, arguments)


@pytest.mark.parametrize("line", GRADE)
def test_each_grading_command_finds_its_answers(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iolab.exercises.grading._ask_judge", lambda job: ([], "not judged here"))
    monkeypatch.chdir(tmp_path)
    for name in ("03-epoll.py", "03-select.py", "answer.py", "03-epoll/03-epoll.py", "08-chat/08-chat.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    book = tmp_path / "03-select.ipynb"
    book.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    status = 1 if "--strict" in line or "--fail-under" in line else 0
    done = CliRunner().invoke(main, shlex.split(line)[1:])
    assert done.exit_code == status, done.output
    assert " of " in done.stdout and "not judged here" in done.stdout


def test_the_classroom_gives_the_points_that_there_are() -> None:
    steps = next(each["jobs"]["run-autograding-tests"]["steps"] for each in FILES if "Autograding" in str(each))
    graders = {step["id"]: step["with"] for step in steps if "command-grader" in step.get("uses", "")}
    for about in graders.values():
        assert about["max-score"] == sum(each.points for each in EXERCISES[about["test-name"]].properties)
        assert f"iolab grade {about['test-name']} " in about["command"]
    reporter = steps[-1]
    assert reporter["with"]["runners"].split(",") == list(graders)
    assert list(reporter["env"]) == [f"{name.upper()}_RESULTS" for name in graders]
