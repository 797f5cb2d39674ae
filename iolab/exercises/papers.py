"""Answers in files: a text of Python, or a notebook, of which counts what its cells define."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.exercises.catalogue import EXERCISES

DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
KINDS = (".py", ".ipynb")


@dataclass(frozen=True)
class Paper:
    """A file that answers an exercise."""

    exercise: str
    file: Path


def find_papers(paths: Sequence[Path], exercise: str | None = None) -> list[Paper]:
    """Return every answer in these files and folders, to the exercise that is named, or that their names name.

    `03-epoll.py`, `03_epoll.ipynb` and `03-epoll/answer.py` answer 03-epoll. In a folder, files of other names are
    passed over, unless the exercise is given. Raise UsageError for a path that is not there or that holds no answer.
    """
    return [paper for path in paths for paper in _find(path, exercise)]


def _find(path: Path, exercise: str | None) -> list[Paper]:
    if not path.exists():
        raise UsageError(f"there is no file or folder {str(path)!r}")
    papers = list(_find_inside(path, exercise)) if path.is_dir() else [Paper(exercise or _named(path), path)]
    mine = [paper for paper in papers if exercise in (None, paper.exercise)]
    if not mine:
        name = exercise or "03-epoll"
        raise UsageError(f"there is no answer in {str(path)!r}: expected a file such as {name}.py or {name}.ipynb")
    return mine


def _find_inside(folder: Path, exercise: str | None) -> Iterator[Paper]:
    """Yield the answers of a folder; beside a file that is called like its exercise, others are its helpers."""
    files = _list_files(folder)
    called = {(file.parent, name) for file in files if (name := exercise_called(file.stem))}
    for file in files:
        name = exercise_of(file) or exercise
        if name and (exercise_called(file.stem) or (file.parent, name) not in called):
            yield Paper(name, file)


def _list_files(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if file.suffix in KINDS and file.is_file())
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))


def _named(file: Path) -> str:
    if name := exercise_of(file):
        return name
    raise UsageError(
        f"what {str(file)!r} answers is not in its name: put the exercise before it, or call it 03-epoll.py, say"
    )


def exercise_of(file: Path) -> str | None:
    """Return the exercise that the name of a file names, or that of a folder that it is in; the nearest counts."""
    names = map(exercise_called, (file.stem, *reversed(file.absolute().parent.parts)))
    return next(filter(None, names), None)


def exercise_called(name: str) -> str | None:
    """Return the exercise of this name, be it with underscores."""
    name = name.replace("_", "-")
    return name if name in EXERCISES else None


def read_answer(file: Path) -> str:
    """Return the text of an answer. Raise UsageError for a file that cannot be read.

    Of a notebook it is what its unlocked code cells define, in their order: functions, classes, imports and constants
    of any cell. Calls that try the answer out are left aside, and so is a cell that Python cannot read, unless it is
    the answer's own: then the judge says what is wrong with it.
    """
    if file.suffix != ".ipynb":
        return _read_text(file)
    text = "\n\n".join(_select_definitions(cell) for cell in _read_cells(file) if not _is_locked(cell)) + "\n"
    return text.encode(errors="replace").decode()  # JSON can hold half a character, and no file can


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the answer in {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read the answer in {file}: it is not UTF-8 ({error.reason})") from None


def _read_cells(notebook: Path) -> Iterator[Any]:
    import nbformat  # it takes 0.2 s, and few answers are in notebooks

    try:
        book = nbformat.read(notebook, as_version=4)
    except Exception as error:  # nbformat raises whatever it stumbles over
        raise UsageError(f"{notebook.name} cannot be read as a notebook: {error}") from None
    yield from (cell for cell in book.cells if cell.cell_type == "code")


def _is_locked(cell: Any) -> bool:
    """Say whether a cell is the teacher's: what a learner writes into it does not count."""
    about = cell.metadata.get("nbgrader", {})
    return bool(about.get("grade")) or (bool(about.get("locked")) and not about.get("solution"))


def _select_definitions(cell: Any) -> str:
    source = cell.source.removeprefix("\ufeff")
    text = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text if cell.metadata.get("nbgrader", {}).get("solution") else ""
    return "\n".join(
        ast.get_source_segment(text, each) or "" for each in map(_include_decorators, tree.body) if _defines(each)
    )


def _include_decorators(statement: ast.stmt) -> ast.stmt:
    """Return a statement that begins where its first decorator does."""
    decorators = getattr(statement, "decorator_list", [])
    if decorators:
        statement.lineno, statement.col_offset = decorators[0].lineno, decorators[0].col_offset - 1
    return statement


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, DEFINES):
        return True
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return isinstance(statement, (ast.Assign, ast.AnnAssign, ast.If, ast.Try)) and "iolab" not in names
