"""The lessons in a folder of the learner's own, and what stood there already."""

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
class Copied:
    """What `copy` did with each file: `kept` are the learner's own, and differ from the course's."""

    folder: Path
    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can write it."""
        return asdict(self) | {"folder": str(self.folder)}

    def lines(self) -> Iterator[str]:
        """Say it, a line for each thing to know."""
        yield f"{len(self.new)} new, {len(self.same)} as they were, in {self.folder}"
        if self.replaced:
            yield f"replaced by the course's: {', '.join(self.replaced)}"
        if self.kept:
            yield f"kept as you have them: {', '.join(self.kept)}; --replace takes the course's"
        yield f"begin with: jupyter lab {self.folder / FIRST}"


def copy(to: Path, *, replace: bool = False) -> Copied:
    """Copy the lessons to a folder; a file that is there and differs is kept, unless `replace` is given.

    Raise UsageError where there is nothing to copy, and where nothing can be written.
    """
    done = Copied(to)
    for source in _sources():
        try:
            _copy(source, done, replace)
        except OSError as error:
            raise UsageError(f"cannot write the lessons to {to}: {error.strerror}; name another folder") from None
    return done


def _sources() -> list[Path]:
    found = [path for name, pattern in CARRIED for path in sorted(places.folder(name).glob(pattern))]
    if not found:
        raise UsageError(f"expected the lessons in {places.folder('notebooks')}, found none; install iolab again")
    return found


def _copy(source: Path, done: Copied, replace: bool) -> None:
    name = f"{source.parent.name}/{source.name}"
    target = done.folder / name
    there = target.exists()
    if there and target.read_bytes() == source.read_bytes():
        done.same.append(name)
    elif there and not replace:
        done.kept.append(name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        (done.replaced if there else done.new).append(name)
