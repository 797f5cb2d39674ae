"""The learner's progress file: guesses, scores, drills, verdicts and points, which can be saved and restored.

A file that cannot be read is never written over: one that is damaged is set aside, and what is
recorded next begins a new one. `iolab.notebook.my_progress` shows it.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.settings import PROGRESS

KINDS = ("guesses", "scores", "drills", "verdicts", "exercises")
REPLACED = "replaced"
"""The section in which a merge keeps values that differ from those recorded here."""

FIRST_LESSON = "00_start_here.ipynb"
SAVED = "Saved."


def path() -> Path:
    """Return the progress file: what IOLAB_PROGRESS names, else progress.json beside the lessons.

    A lesson and an exercise in a folder below the lessons share one file. Away from any lesson it
    is in the current folder.
    """
    if chosen := os.environ.get(PROGRESS):
        return Path(chosen)
    return (course_folder() or Path()) / "progress.json"


def course_folder() -> Path | None:
    """Return the folder of the lessons, as seen from the current one; None away from any lesson."""
    here = Path.cwd()
    places = (place for folder in (here, *here.parents) for place in (folder, folder / "notebooks"))
    course = next((place for place in places if (place / FIRST_LESSON).is_file()), None)
    return course and Path(os.path.relpath(course, here))


def read() -> dict[str, Any]:
    """Return everything recorded: nothing if there is no file yet, or it cannot be read; see `trouble`."""
    try:
        return _load()
    except (OSError, ValueError, RecursionError):
        return {}


def trouble() -> str:
    """Return a sentence on why progress cannot be read or saved here; nothing if it can."""
    try:
        _load()
    except OSError as error:
        return _cannot("read", error)
    except (ValueError, RecursionError):
        return f"{path()} is damaged. It is set aside when you next save something, and a new one begins."
    if not os.access(path().parent, os.W_OK):
        return f"Nothing can be saved: this folder cannot be written. Set {PROGRESS} to a file that can."
    return ""


def section(everything: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the records of one kind, to read or to add to; anything else in their place is dropped."""
    if not isinstance(everything.get(kind), dict):
        everything[kind] = {}
    records: dict[str, Any] = everything[kind]
    return records


def record(kind: str, key: str, value: Any) -> str:
    """Record one guess, score, verdict or result; return SAVED, or a sentence on what went wrong."""
    try:
        with _locked_folder():
            everything, aside = _load_or_set_aside()
            section(everything, kind)[key] = value
            _write(everything)
    except OSError as error:
        return "Not saved: " + _cannot("write", error)
    return f"{SAVED} {path()} was damaged: it is now {aside.name}, and a new one has begun." if aside else SAVED


def record_or_warn(kind: str, key: str, value: Any) -> None:
    """Record one, and say what went wrong on the standard error stream, each sentence once a kernel."""
    sentence = record(kind, key, value)
    if sentence != SAVED:
        _say(sentence)


@cache
def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _cannot(do: str, error: OSError) -> str:
    return f"cannot {do} {path()} ({error.strerror}). Set {PROGRESS} to another file."


def _load() -> dict[str, Any]:
    try:
        everything = json.loads(path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(everything, dict):
        raise ValueError
    return everything


def _load_or_set_aside() -> tuple[dict[str, Any], Path | None]:
    try:
        return _load(), None
    except (ValueError, RecursionError):
        names = (path().with_name(f"{path().name}.damaged{f'-{number}' * (number > 1)}") for number in count(1))
        aside = next(name for name in names if not name.exists())
        path().rename(aside)
        return {}, aside


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
            _write(merge(_load_or_set_aside()[0], theirs))
    except OSError as error:
        raise UsageError(f"cannot write to {path()}: {error.strerror}; set {PROGRESS} to another place") from None


def merge(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return all that either has; where both have a value and the two differ, ours, with theirs under `replaced`.

    Of two results of an exercise the better one counts. Merging the same file twice changes nothing.
    """
    everything: dict[str, Any] = json.loads(as_text(ours))
    for kind, key, value in _records(theirs):
        records = section(everything, kind)
        mine = records.setdefault(key, value)
        if mine != value:
            records[key], other = (value, mine) if kind == "exercises" and score(value) > score(mine) else (mine, value)
            _keep_replaced(everything, kind, key, other)
    return everything


def score(result: object) -> float:
    """Return the points of a recorded result of an exercise; 0 for anything else."""
    points = result.get("score") if isinstance(result, dict) else None
    return points if isinstance(points, (int, float)) else 0


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
