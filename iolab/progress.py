"""What a learner has done: guesses and verdicts, in one file that can be saved and restored."""

import json
import os
from pathlib import Path
from typing import Any

VARIABLE = "IOLAB_PROGRESS"


def path() -> Path:
    """Return the progress file: what IOLAB_PROGRESS names, else progress.json in the current folder."""
    return Path(os.environ.get(VARIABLE) or "progress.json")


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
    everything = read()
    section(everything, kind)[key] = value
    text = json.dumps(everything, indent=1, ensure_ascii=False, default=_plain)
    unfinished = path().parent / f"{path().name}.new"
    try:
        unfinished.write_text(text, encoding="utf-8", errors="replace")
        unfinished.replace(path())  # all or nothing, also when the kernel is killed (rename(2))
    except OSError:
        pass


def _plain(value: Any) -> Any:
    # A number of numpy knows the plain one that JSON can write.
    return value.item() if hasattr(value, "item") else str(value)
