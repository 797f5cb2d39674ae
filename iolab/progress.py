"""The learner's progress file: guesses, scores and verdicts, which can be saved and restored.

The panel that shows it is in `iolab.notebook.my_progress`.
"""

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
"""The section in which a merge keeps values that differ from those recorded here."""


def path() -> Path:
    """Return the progress file: what IOLAB_PROGRESS names, else progress.json in the current folder."""
    return Path(os.environ.get(PROGRESS) or "progress.json")


def read() -> dict[str, Any]:
    """Return everything recorded: nothing if there is no file yet, or it is not a progress file."""
    try:
        everything = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return everything if isinstance(everything, dict) else {}


def section(everything: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the records of one kind, to read or to add to; anything else in their place is dropped."""
    if not isinstance(everything.get(kind), dict):
        everything[kind] = {}
    records: dict[str, Any] = everything[kind]
    return records


def record(kind: str, key: str, value: Any) -> None:
    """Record one guess or verdict; where the file cannot be written, only the record is lost."""
    try:
        with _locked_folder():
            everything = read()
            section(everything, kind)[key] = value
            _write(everything)
    except OSError:
        pass


def as_text(everything: dict[str, Any]) -> str:
    """Return everything as the text of a progress file."""
    return json.dumps(everything, indent=1, ensure_ascii=False, default=_to_json)


def save(copy: str | Path) -> Path:
    """Write a copy of everything recorded to a file, and return its path. Raise UsageError if it cannot be written."""
    try:
        Path(copy).write_text(as_text(read()), encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write to {copy}: {error.strerror}; choose another place") from None
    return Path(copy)


def restore(copy: str | Path) -> None:
    """Add what a saved copy has to what is recorded here. Raise UsageError for a file that is not a copy."""
    try:
        saved = Path(copy).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {copy}: {error.strerror}") from None
    add(saved, str(copy))


def add(saved: bytes, name: str = "this file") -> None:
    """Add what the text of a saved copy has to what is recorded here; nothing of either is lost.

    Raise UsageError for a text that is not a copy, and where nothing can be written.
    """
    try:
        theirs = json.loads(saved)
        if not isinstance(theirs, dict) or not any(isinstance(theirs.get(kind), dict) for kind in KINDS):
            raise ValueError
    except (ValueError, RecursionError):
        raise UsageError(f"{name} is not saved progress; expected a file that `iolab.my_progress` saved") from None
    try:
        with _locked_folder():
            _write(merge(read(), theirs))
    except OSError as error:
        raise UsageError(f"cannot write to {path()}: {error.strerror}; set {PROGRESS} to another place") from None


def merge(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return all that either has; where both have a value and the two differ, ours, with theirs under `replaced`.

    Merging the same file twice changes nothing.
    """
    everything: dict[str, Any] = json.loads(as_text(ours))
    for kind, key, value in _records(theirs):
        if section(everything, kind).setdefault(key, value) != value:
            _keep_replaced(everything, kind, key, value)
    return everything


def _records(theirs: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for kind, records in theirs.items():
        if not isinstance(records, dict):
            yield "other", kind, records
        elif kind != REPLACED:
            yield from ((kind, key, value) for key, value in records.items())
    for kind, replaced in section(dict(theirs), REPLACED).items():
        for key, values in replaced.items() if isinstance(replaced, dict) else ():
            yield from ((kind, key, value) for value in (values if isinstance(values, list) else [values]))


def _keep_replaced(everything: dict[str, Any], kind: str, key: str, value: Any) -> None:
    replaced = section(section(everything, REPLACED), kind)
    values = replaced.get(key, [])
    values = values if isinstance(values, list) else [values]
    if value not in values:
        replaced[key] = [*values, value]


def _write(everything: dict[str, Any]) -> None:
    unfinished = path().parent / f"{path().name}.new"
    unfinished.write_text(as_text(everything), encoding="utf-8", errors="replace")
    unfinished.replace(path())  # all or nothing, also when the kernel is killed (rename(2))


@contextmanager
def _locked_folder() -> Iterator[None]:
    """Keep the kernels of two lessons from overwriting each other's records (flock(2) on the folder)."""
    folder = os.open(path().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a network folder may not support locks
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _to_json(value: Any) -> Any:
    # A numpy number has a plain one in it that JSON can write.
    return value.item() if hasattr(value, "item") else str(value)
