"""The lessons in a folder of the learner's own, and what was there already."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iolab.data import places
from iolab.errors import UsageError

CARRIED = (("notebooks", "[0-9][0-9]_*.ipynb"), ("docs", "glossary.md"))
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
    """Copy the lessons to a folder; a file there that differs is left alone, unless `replace` is given.

    Raise UsageError where there is nothing to copy, and where nothing can be written.
    """
    copies = LessonCopies(to)
    for source in _sources():
        try:
            _copy(source, copies, replace)
        except OSError as error:
            raise UsageError(f"cannot write the lessons to {to}: {error.strerror}; name another folder") from None
    return copies


def _sources() -> list[Path]:
    files = [path for name, pattern in CARRIED for path in sorted(places.folder(name).glob(pattern))]
    if not files:
        raise UsageError(f"expected the lessons in {places.folder('notebooks')}, found none; install iolab again")
    return files


def _copy(source: Path, copies: LessonCopies, replace: bool) -> None:
    name = f"{source.parent.name}/{source.name}"
    target = copies.folder / name
    exists = target.exists()
    if exists and target.read_bytes() == source.read_bytes():
        copies.same.append(name)
    elif exists and not replace:
        copies.kept.append(name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        (copies.replaced if exists else copies.new).append(name)
