"""Recorded runs: what an experiment found on a named machine, kept in a file, and held against another."""

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from iolab.errors import UsageError
from iolab.measure import reference
from iolab.measure.experiments import RECORDS, Record
from iolab.measure.experiments.shape import Shape, alike, over
from iolab.measure.machine import machine

CHECKOUT = Path(__file__).resolve().parents[3]


def save(record: Record, folder: Path, command: str) -> Path:
    """Write a record to a folder, with the machine, the date (UTC), the command and the commit; return its path.

    Raise UsageError for a folder that cannot be written to.
    """
    path = prepared(folder) / f"{record.name}.json"
    path.write_text(written(as_recorded(record, command)), encoding="utf-8")
    return path


def prepared(folder: Path) -> Path:
    """Make a folder, if it is not there. Raise UsageError if nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}; choose another folder with --to") from None


def as_recorded(record: Record, command: str) -> dict[str, Any]:
    """Return what a recorded run says; no name and no path of the machine is in it."""
    return {
        "experiment": record.name,
        "title": record.title,
        **circumstances(command),
        "placement": record.placement,
        "doubts": list(record.doubts),
        "rows": [dict(row) for row in record.rows],
    }


def circumstances(command: str) -> dict[str, Any]:
    """Say on what machine, when (UTC), with which command and at which commit something is recorded."""
    here = machine()
    return {
        "machine": str(here),
        **vars(here),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command,
        "commit": commit(),
    }


def written(recorded: Mapping[str, Any]) -> str:
    """Write a recorded run as JSON, with one line a row."""
    head = {key: value for key, value in recorded.items() if key != "rows"}
    rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in recorded["rows"])
    return f'{json.dumps(head, indent=1, ensure_ascii=False)[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def commit() -> str:
    """Return the commit of this checkout, and whether the package was changed since."""
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top) != CHECKOUT:
        return "not in a checkout"
    changed = _git("status", "--porcelain", "--", "iolab")
    return f"{_git('rev-parse', '--short', 'HEAD')}{' with changes' if changed else ''}"


def opened(path: Path) -> Record:
    """Read a recorded run as the record that it was. Raise UsageError for a file that is none."""
    found = reference.read(path)
    kind = RECORDS.get(found.about.get("experiment", ""))
    try:
        record = kind(tuple(found), str(found.about["placement"]), tuple(found.about["doubts"])) if kind else None
        if record and all(key in row for row in found for key in record.columns()) and record.signs:
            return record
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        pass
    raise UsageError(f"{path.name} is no recorded run; `iolab record` writes one")


def side_by_side(here: Record, there: Record) -> list[dict[str, Any]]:
    """Return the first figure of both, row by row, with the ratio of the two; all rows that either has.

    Raise UsageError if they are not of one experiment.
    """
    if here.name != there.name:
        raise UsageError(f"{here.name} and {there.name} do not compare; give two runs of one experiment")
    figure, heading = next(iter(here.figures.items()))
    rows = []
    for keys in dict.fromkeys(tuple(row[key] for key in here.keys) for row in (*here.rows, *there.rows)):
        which = dict(zip(here.keys, keys, strict=True))
        ours, theirs = here.value(figure, **which), there.value(figure, **which)
        ratio = over(ours, theirs)
        shown = {here.keys[key]: value for key, value in which.items()}
        rows.append(shown | {f"{heading}, here": ours, "there": theirs, "ratio": ratio and round(ratio, 3)})
    return rows


def same_shape(here: Record, there: Record) -> Shape:
    """Say whether two runs have the same shape; how fast either machine is has no part in it."""
    return alike(here.signs, there.signs)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(CHECKOUT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
