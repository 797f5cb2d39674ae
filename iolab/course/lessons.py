"""The learner's copy: lessons without outputs, exercises as stubs, and a page that says where to begin.

Theory of operation. Three texts of a file can differ: the course's, the one in the copy, and the one that was laid
there last, of which a hidden file beside the lessons keeps the hash. A copy that is as it was laid there is the
course's to bring up to date. One that the learner changed is theirs: it stays, and if the course has changed as well,
its new text is offered. Taking it moves the learner's to a name of its own; nothing is ever written over.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from iolab import exercises
from iolab.course.hints import HINTS
from iolab.data import places
from iolab.errors import UsageError
from iolab.exercises.task import TASKS

GLOSSARY = "docs/glossary.md"
FIRST = "notebooks/00_start_here.ipynb"
README = "README.md"
LAID = ".iolab-lessons.json"
"""The hidden file in a copy: the hash of each file as it was laid there."""

HEADING = re.compile(r"^# (?:\d\d · )?([^:\n]*)(?:: (.*))?", re.MULTILINE)
FOLD = re.compile(r"<details>\s*<summary>(?:Solutions?|What to expect)</summary>(.*?)</details>", re.DOTALL)
"""The solutions at the end of a lesson, which a reader of the book unfolds."""

BEGIN = """# Your copy of the course

Begin with [{first}]({path}). Run its cells from the top, one by one, with Shift-Enter.

| lesson | question | exercises |
|---|---|---|
{rows}

- An exercise is a sheet with the task, three hints, a stub to fill in, and the judge.
- `iolab.solution("03-epoll")` shows a solution, and `iolab.solution("03")` what the exercises at the end of a lesson \
lead to, after asking.
- Guesses, verdicts and points are saved in `notebooks/progress.json`; `iolab.my_progress()` shows how far you are.
- All of this is yours to change: an update leaves what you changed. To have a file as it was, delete it, and open \
the course again.
"""


@dataclass
class LessonCopies:
    """What `copy` did with each file."""

    folder: Path
    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    """Those that nobody had changed in the copy, and those whose update was asked for."""
    kept: list[str] = field(default_factory=list)
    """Those that the learner changed."""
    offered: list[str] = field(default_factory=list)
    """Of those, the ones that the course has changed as well."""
    moved: list[str] = field(default_factory=list)
    """Where the learner's own went when an update took their place."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as values that JSON can write."""
        return asdict(self) | {"folder": str(self.folder)}

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing to know."""
        yield f"{len(self.new)} new, {len(self.same)} unchanged, in {self.folder}"
        if self.updated:
            yield f"updated: {', '.join(self.updated)}"
        if self.moved:
            yield f"yours are now {', '.join(self.moved)}"
        if self.kept:
            yield f"left as you changed them: {', '.join(self.kept)}"
        if self.offered:
            yield f"{self.offer}; --update takes that, and keeps yours beside it"
        yield f"start with: jupyter lab {shlex.quote(str(self.folder / FIRST))}"

    @property
    def offer(self) -> str:
        """Which files have an update that waits to be taken."""
        return f"a newer text of {', '.join(self.offered)} is there"


def copy(to: Path, *, update: bool = False) -> LessonCopies:
    """Lay out the lessons in a folder without outputs, and the exercises without solutions.

    A file that the learner changed is left alone; with `update`, a newer text of the course takes its
    place, and theirs gets a name of its own.

    Raise UsageError where there is nothing to copy, and where nothing can be written.
    """
    copies, texts = LessonCopies(to), _sources()
    try:
        laid = _read_laid(to)
        for name, text in texts.items():
            _copy(name, text.encode(), copies, laid, update)
            _write(to / LAID, json.dumps(laid, indent=1).encode())
    except OSError as error:
        raise UsageError(f"cannot write the lessons to {to}: {error.strerror}; name another folder") from None
    return copies


def lesson_files() -> list[Path]:
    """Return the notebooks of the course in their order, as they were committed."""
    return sorted(places.folder("notebooks").glob("[0-9][0-9]_*.ipynb"))


def read_heading(notebook: Path) -> tuple[str, str]:
    """Return the title of a lesson, without its number, and its question."""
    heading = HEADING.search("\n".join("".join(cell["source"]) for cell in read_cells(notebook)))
    return (heading[1].strip(), heading[2] or "") if heading else (notebook.stem, "")


def read_cells(notebook: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return cells


def clear(notebook: str, number: str) -> str:
    """Return the text of a lesson as one that was never run: no answer stands below its question."""
    book = json.loads(notebook)
    book["metadata"].pop("widgets", None)
    where = f'Tried them? `iolab.solution("{number}")` shows what to expect, after asking.'
    for cell in book["cells"]:
        cell["metadata"].pop("execution", None)
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        elif FOLD.search(text := "".join(cell["source"])):
            cell["source"] = FOLD.sub(where, text).splitlines(keepends=True)
    return _to_text(book)


def exercise_sheet(name: str) -> str:
    """Return the text of a notebook with the task of an exercise, hints, its stub, and the call of the judge."""
    exercise = exercises.find(name)
    cells = (
        ("markdown", "task", TASKS[name]),
        *(_hint(step, text) for step, text in enumerate(HINTS.get(name, ()), 1)),
        ("code", "answer", exercise.stub.strip()),
        ("markdown", "try", "Try it as often as you like. It takes some seconds, and each run draws new cases."),
        ("code", "check", f'import iolab\n\niolab.check("{name}", {exercise.entry})'),
        ("markdown", "then", f'Once you have all points, or no idea left: `iolab.solution("{name}")`.'),
    )
    return _to_text(
        {
            "cells": [_cell(kind, name, text) for kind, name, text in cells],
            "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def _hint(step: int, text: str) -> tuple[str, str, str]:
    return "markdown", f"hint-{step}", f"<details><summary>Hint {step}</summary>\n\n{text}\n\n</details>"


def _cell(kind: str, name: str, text: str) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def _to_text(book: dict[str, Any]) -> str:
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _sources() -> dict[str, str]:
    """Return the text of every file that a learner gets, by its name in their folder."""
    lessons = lesson_files()
    if not lessons:
        raise UsageError(f"expected the lessons in {places.folder('notebooks')}, found none; install iolab again")
    texts = {README: _begin(lessons)}
    texts |= {f"notebooks/{path.name}": clear(path.read_text(encoding="utf-8"), path.name[:2]) for path in lessons}
    texts |= {f"notebooks/exercises/{name}.ipynb": exercise_sheet(name) for name in exercises.EXERCISES}
    glossary = places.folder("docs") / Path(GLOSSARY).name
    return texts | ({GLOSSARY: glossary.read_text(encoding="utf-8")} if glossary.exists() else {})


def _begin(lessons: list[Path]) -> str:
    """Return the page that says where to begin."""
    first = f"{lessons[0].name[:2]} · {read_heading(lessons[0])[0]}"
    return BEGIN.format(first=first, path=f"notebooks/{lessons[0].name}", rows="\n".join(map(_row, lessons)))


def _row(lesson: Path) -> str:
    number, (title, question) = lesson.name[:2], read_heading(lesson)
    sheets = (f"[{name}](notebooks/exercises/{name}.ipynb)" for name in exercises.EXERCISES if name.startswith(number))
    asks = question[:1].upper() + question[1:]
    return f"| [{number} · {title}](notebooks/{lesson.name}) | {asks} | {', '.join(sheets)} |"


def _copy(name: str, text: bytes, copies: LessonCopies, laid: dict[str, str], update: bool) -> None:
    target = copies.folder / name
    there, is_newer = target.exists(), laid.get(name) != _hash(text)
    if there and target.read_bytes() == text:
        copies.same.append(name)
    elif not there:
        copies.new.append(name)
    elif laid.get(name) == _hash(target.read_bytes()):
        copies.updated.append(name)
    elif is_newer and update:
        copies.moved.append(_move(target).relative_to(copies.folder).as_posix())
        copies.updated.append(name)
    else:
        copies.kept.append(name)
        copies.offered += [name] if is_newer else []
        return
    if name not in copies.same:
        _write(target, text)
    laid[name] = _hash(text)


def _move(target: Path) -> Path:
    """Give the learner's file a name of its own, and return it."""
    names = (target.with_stem(f"{target.stem}-mine{f'-{number}' * (number > 1)}") for number in count(1))
    return target.rename(next(name for name in names if not name.exists()))


def _write(target: Path, text: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")  # half a file would look like one that the learner changed
    part.write_bytes(text)
    part.replace(target)


def _read_laid(folder: Path) -> dict[str, str]:
    try:
        laid = json.loads((folder / LAID).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return laid if isinstance(laid, dict) else {}


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
