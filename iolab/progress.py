"""What a learner has done: guesses and verdicts, in one file that can be saved and restored."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.settings import PROGRESS

KINDS = ("guesses", "scores", "verdicts")
REPLACED = "replaced"
"""Where a merge keeps what differed from what was here."""


def path() -> Path:
    """Return the progress file: what IOLAB_PROGRESS names, else progress.json in the current folder."""
    return Path(os.environ.get(PROGRESS) or "progress.json")


def read() -> dict[str, Any]:
    """Return everything recorded; nothing, if there is no file yet or it is not ours."""
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def section(everything: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the records of one kind, to read or to add to; what else stands in their place is dropped."""
    if not isinstance(everything.get(kind), dict):
        everything[kind] = {}
    records: dict[str, Any] = everything[kind]
    return records


def record(kind: str, key: str, value: Any) -> None:
    """Record one guess or verdict; a folder that cannot be written to loses only the record."""
    try:
        with _alone():
            everything = read()
            section(everything, kind)[key] = value
            _write(everything)
    except OSError:
        pass


def as_text(everything: dict[str, Any]) -> str:
    """Return everything as the text of a progress file."""
    return json.dumps(everything, indent=1, ensure_ascii=False, default=_plain)


def save(copy: str | Path) -> Path:
    """Write a copy of everything recorded to a file, and return its path. Raise UsageError if it cannot be written."""
    try:
        Path(copy).write_text(as_text(read()), encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write to {copy}: {error.strerror}; choose another place") from None
    return Path(copy)


def restore(copy: str | Path) -> None:
    """Add what a saved copy has to what is recorded here. Raise UsageError for a file that is no copy."""
    try:
        saved = Path(copy).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {copy}: {error.strerror}") from None
    add(saved, str(copy))


def add(saved: bytes, name: str = "this file") -> None:
    """Add what the text of a saved copy has to what is recorded here; nothing of either is lost.

    Raise UsageError for what is no copy, and where nothing can be written.
    """
    try:
        theirs = json.loads(saved)
        if not isinstance(theirs, dict) or not any(isinstance(theirs.get(kind), dict) for kind in KINDS):
            raise ValueError
    except (ValueError, RecursionError):
        raise UsageError(f"{name} is no saved progress; expected a file that was saved here") from None
    try:
        with _alone():
            _write(merged(read(), theirs))
    except OSError as error:
        raise UsageError(f"cannot write to {path()}: {error.strerror}; set {PROGRESS} to another place") from None


def merged(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return all that either has; where both have one and they differ, ours, with theirs under `replaced`.

    To merge the same twice changes nothing.
    """
    everything: dict[str, Any] = json.loads(as_text(ours))
    for kind, key, value in _entries(theirs):
        if section(everything, kind).setdefault(key, value) != value:
            _keep(everything, kind, key, value)
    return everything


def _entries(theirs: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for kind, records in theirs.items():
        if not isinstance(records, dict):
            yield "other", kind, records
        elif kind != REPLACED:
            yield from ((kind, key, value) for key, value in records.items())
    for kind, replaced in section(dict(theirs), REPLACED).items():
        for key, values in replaced.items() if isinstance(replaced, dict) else ():
            yield from ((kind, key, value) for value in (values if isinstance(values, list) else [values]))


def _keep(everything: dict[str, Any], kind: str, key: str, value: Any) -> None:
    replaced = section(section(everything, REPLACED), kind)
    kept = replaced.get(key, [])
    if value not in (kept := kept if isinstance(kept, list) else [kept]):
        replaced[key] = [*kept, value]


def _write(everything: dict[str, Any]) -> None:
    unfinished = path().parent / f"{path().name}.new"
    unfinished.write_text(as_text(everything), encoding="utf-8", errors="replace")
    unfinished.replace(path())  # all or nothing, also when the kernel is killed (rename(2))


@contextmanager
def _alone() -> Iterator[None]:
    """Keep the kernels of two lessons from writing over one another (flock(2) on the folder)."""
    folder = os.open(path().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a network folder may know no locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _plain(value: Any) -> Any:
    # A number of numpy knows the plain one that JSON can write.
    return value.item() if hasattr(value, "item") else str(value)
