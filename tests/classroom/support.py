"""A class as a test needs it: released notebooks, and learners who hand them in as they please."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iolab.classroom.course import Course

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "notebooks/exercises"
Book = dict[str, Any]
Edit = Callable[[Book], None]


def read(path: Path) -> Book:
    book: Book = json.loads(path.read_text())
    return book


def cell(book: Book, grade_id: str) -> Book:
    """Return the cell of this name in nbgrader's metadata."""
    named: Book = next(
        each for each in book["cells"] if each["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )
    return named


def solution(exercise: str) -> str:
    """Return the solution that stands in the source notebook."""
    text = "".join(cell(read(SOURCE / exercise / f"{exercise}.ipynb"), "answer")["source"])
    return text.replace("### BEGIN SOLUTION\n", "").replace("\n### END SOLUTION", "")


def code(text: str) -> Book:
    return {"cell_type": "code", "id": "mine", "metadata": {}, "source": text, "execution_count": None, "outputs": []}


def hand_in(course: Course, student: str, exercise: str, edit: Edit) -> Path:
    """Edit a released notebook, and put it where submissions are collected."""
    book = read(course.root / "release" / exercise / f"{exercise}.ipynb")
    edit(book)
    path = course.root / "submitted" / student / exercise / f"{exercise}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(book))
    return path


def answering(text: str) -> Edit:
    """Return the edit of a learner who writes this answer, and nothing else."""

    def edit(book: Book) -> None:
        cell(book, "answer")["source"] = text

    return edit
