"""The answer in a learner's notebook: what its cells define, without what they try out."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from iolab.errors import UsageError

DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def read_answer(notebook: Path) -> str:
    """Return the text that a notebook's unlocked code cells define, in their order.

    Functions, classes, imports and constants may stand in any cell. Calls that try the answer
    out are left aside, and so is a cell that Python cannot read, unless it is the answer's own:
    then the judge says what is wrong with it. Raise UsageError for a file that is not a notebook.
    """
    text = "\n\n".join(_select_definitions(cell) for cell in _read_cells(notebook) if not _is_locked(cell)) + "\n"
    return text.encode(errors="replace").decode()  # JSON can hold half a character, and no file can


def write_fair_copy(released: Path, text: str, copy: Path) -> None:
    """Write the released notebook with this answer in its place, and nothing else that a learner can change.

    Cells that were doubled, deleted or relabelled come back as they were handed out.
    """
    book = nbformat.read(released, as_version=4)
    for cell in book.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = text
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, copy)


def _read_cells(notebook: Path) -> Iterator[Any]:
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
