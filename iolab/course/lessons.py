"""Lessons without outputs and exercises without solutions, in a folder of the learner's own, beside what is there."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iolab import exercises
from iolab.data import places
from iolab.errors import UsageError
from iolab.exercises.task import TASKS

GLOSSARY = "docs/glossary.md"
FIRST = "notebooks/00_start_here.ipynb"


@dataclass
class LessonCopies:
    """What `copy` did with each file: those in `kept` were changed by the learner, and left alone."""

    folder: Path
    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as values that JSON can write."""
        return asdict(self) | {"folder": str(self.folder)}

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing to know."""
        yield f"{len(self.new)} new, {len(self.same)} unchanged, in {self.folder}"
        if self.replaced:
            yield f"overwritten: {', '.join(self.replaced)}"
        if self.kept:
            yield f"left as you changed them: {', '.join(self.kept)}; --replace overwrites them"
        yield f"start with: jupyter lab {self.folder / FIRST}"


def copy(to: Path, *, replace: bool = False) -> LessonCopies:
    """Copy the lessons to a folder, without outputs, and the exercises without solutions.

    A file there that differs is left alone, unless `replace` is given.

    Raise UsageError where there is nothing to copy, and where nothing can be written.
    """
    copies = LessonCopies(to)
    for name, text in _sources().items():
        try:
            _copy(name, text, copies, replace)
        except OSError as error:
            raise UsageError(f"cannot write the lessons to {to}: {error.strerror}; name another folder") from None
    return copies


def lesson_files() -> list[Path]:
    """Return the notebooks of the course in their order, as they were committed."""
    return sorted(places.folder("notebooks").glob("[0-9][0-9]_*.ipynb"))


def without_outputs(notebook: str) -> str:
    """Return the text of a notebook as one that was never run: no answer stands below its question."""
    book = json.loads(notebook)
    book["metadata"].pop("widgets", None)
    for cell in book["cells"]:
        cell["metadata"].pop("execution", None)
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def exercise_sheet(name: str) -> str:
    """Return the text of a notebook with the task of an exercise, its stub, and the call of the judge."""
    exercise = exercises.find(name)
    cells = (
        ("markdown", "task", TASKS[name]),
        ("code", "answer", exercise.stub.strip()),
        ("markdown", "try", "Try it as often as you like. It takes some seconds, and each run draws new cases."),
        ("code", "check", f'import iolab\n\niolab.check("{name}", {exercise.entry})'),
    )
    book = {
        "cells": [_cell(kind, name, text) for kind, name, text in cells],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, name: str, text: str) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _sources() -> dict[str, str]:
    """Return the text of every file that a learner gets, by its name in their folder."""
    lessons = lesson_files()
    if not lessons:
        raise UsageError(f"expected the lessons in {places.folder('notebooks')}, found none; install iolab again")
    texts = {f"notebooks/{path.name}": without_outputs(path.read_text(encoding="utf-8")) for path in lessons}
    texts |= {f"notebooks/exercises/{name}.ipynb": exercise_sheet(name) for name in exercises.EXERCISES}
    glossary = places.folder("docs") / Path(GLOSSARY).name
    return texts | ({GLOSSARY: glossary.read_text(encoding="utf-8")} if glossary.exists() else {})


def _copy(name: str, text: str, copies: LessonCopies, replace: bool) -> None:
    target = copies.folder / name
    exists = target.exists()
    if exists and target.read_bytes() == text.encode():
        copies.same.append(name)
    elif exists and not replace:
        copies.kept.append(name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
        (copies.replaced if exists else copies.new).append(name)
