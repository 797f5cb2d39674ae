"""The fair copy of a notebook that was handed in: the released one, with the answer in its place."""

from pathlib import Path

import nbformat


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
