"""Answers of people who had read the task's text and nothing else; each says what its author thinks of it.

The first line is `# right`, or `# lacks PROPERTY: ` and why. Their text stays as it was written.
"""

from pathlib import Path

from tests.exercises.corpus.answers import Answer


def read(file: Path, source: str) -> Answer:
    """Return the answer of a file, named by where it comes from."""
    text = file.read_text(encoding="utf-8")
    lacks = text.partition("\n")[0].partition("lacks ")[2].partition(":")[0]
    return Answer(file.parent.name, f"{source}: {file.stem.replace('-', ' ')}", text, lacks or None)


ANSWERS = [read(file, "blind") for file in sorted(Path(__file__).parent.glob("*/*.py"))]
