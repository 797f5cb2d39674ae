"""What was measured elsewhere: the published tables and the recorded runs in `data/`."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from iolab.data import places
from iolab.display import tables
from iolab.errors import UsageError, guard, unknown

DATA = places.folder("data")
"""The folder that holds them."""

HEAD = ("title", "source", "url", "year", "units")
"""What the head of every published table says, as lines of `# key: value`."""


class Reference(tables.Table):
    """The rows of one file of `data/`, and in `about` what its head says of them."""

    def __init__(self, name: str, about: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
        self.name, self.about = name, dict(about)
        super().__init__(rows, f"{about.get('title', name)} ({origin(about)})")


def origin(about: Mapping[str, Any]) -> str:
    """Say in one line where the rows come from: a source and its year, or a machine and its date."""
    if "source" in about:
        return f"{about['source']}, {about['year']}"
    return f"recorded on {about['machine']}, {about['date'][:10]}"


@guard
def reference(name: str) -> Reference:
    """Read a published table or a recorded run of `data/` by its name, such as "tlpi-63-9" or "wait_cost".

    Raise UsageError for a name that is not there.
    """
    files = files_by_name()
    if name not in files:
        raise unknown("reference", name, files)
    return read(files[name])


def files_by_name() -> dict[str, Path]:
    """Return the files by name, published tables first; none where there is no `data/`."""
    return {path.stem: path for path in [*sorted(DATA.glob("published/*.csv")), *sorted(DATA.glob("recorded/*.json"))]}


def rows_of(name: str) -> list[Mapping[str, Any]]:
    """Return the rows of a reference, or none if there is no such reference."""
    return list(reference(name)) if name in files_by_name() else []


def read(path: Path) -> Reference:
    """Read one file: a published table (.csv), or a recorded run (.json).

    Raise UsageError, in one sentence, for a file that is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return parse_table(path.stem, text) if path.suffix == ".csv" else parse_run(path.stem, text)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except UsageError:
        raise
    except (ValueError, KeyError, AttributeError, TypeError):
        raise no_run(path) from None


def no_run(path: Path) -> UsageError:
    """Return the error of a file that is no recorded run."""
    return UsageError(f"{path.name} is no recorded run; `iolab record` writes one")


def parse_table(name: str, text: str) -> Reference:
    """Read a published table: lines of `# key: value`, then CSV with a header."""
    lines = text.splitlines()
    head = [line[1:].partition(":") for line in lines if line.startswith("#")]
    about = {key.strip(): value.strip() for key, _, value in head}
    missing = [key for key in HEAD if not about.get(key)]
    if missing:
        raise UsageError(f"{name}.csv should begin with lines of `# key: value`; it lacks {', '.join(missing)}")
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return Reference(name, about, [{key: as_number(cell) for key, cell in row.items()} for row in rows])


def parse_run(name: str, text: str) -> Reference:
    """Read a recorded run, as `iolab record` writes it. Raise ValueError or the like for another text."""
    about = json.loads(text)
    rows = about.pop("rows")
    if not (rows and all(isinstance(row, dict) for row in rows)):
        raise ValueError("it has no rows")
    return Reference(name, about, rows)


def as_number(cell: str) -> int | float | str:
    """Return a cell as a number if it is one, and unchanged otherwise."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell
