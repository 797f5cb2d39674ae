"""X-rays in a file, to show on a machine where they cannot be made."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iolab.archive.provenance import circumstances, ensure_writable
from iolab.data import reference
from iolab.errors import UsageError, unknown
from iolab.xrays.counts import Counts
from iolab.xrays.facts import Facts
from iolab.xrays.findings import Finding, Timer
from iolab.xrays.model import Verdict
from iolab.xrays.xray import Xray

SAVED = (
    "command", "seconds", "verdict", "counts", "findings", "waits_in", "accepts", "accept_threads", "cost", "timer",
)  # fmt: skip
"""What is saved of an x-ray: what it says, without the calls."""


def save(name: str, picture: Xray, command: str) -> None:
    """Write an x-ray to the file, in the place of one of the same name, with machine, date, command and commit."""
    path = file()
    ensure_writable(path.parent)
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    saved[name] = circumstances(command) | to_json(picture)
    path.write_text(json.dumps(dict(sorted(saved.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def to_json(picture: Xray) -> dict[str, Any]:
    """Return an x-ray as JSON can hold it."""
    parts = {"verdict": vars(picture.verdict), "counts": vars(picture.counts), "timer": vars(picture.timer)}
    return {key: getattr(picture, key) for key in SAVED} | parts | {"findings": list(map(vars, picture.findings))}


def read(name: str) -> tuple[Xray, str]:
    """Return an x-ray of the file, and where and when it was made."""
    try:
        saved = json.loads(file().read_text(encoding="utf-8"))
        if name not in saved:
            raise unknown("recorded x-ray", name, saved)
        return to_xray(saved[name]), reference.origin(saved[name])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{file().name} is missing or broken; IOLAB_RECORD=1 makes it again") from None


def file() -> Path:
    """Return the file, which is there wherever the course's data are."""
    return reference.DATA / "recorded/xray/lessons.json"


def to_xray(values: Mapping[str, Any]) -> Xray:
    """Return the x-ray of what was saved."""
    counts = values["counts"]
    parts = {
        "verdict": Verdict(**values["verdict"]),
        "counts": Counts(
            **counts
            | {"calls": Counter(counts["calls"]), "between": Counter(counts["between"])}
            | {"waits": {name: tuple(numbers) for name, numbers in counts["waits"].items()}}
        ),
        "timer": Timer(**values["timer"]),
        "findings": tuple(Finding(**finding) for finding in values["findings"]),
        "waits_in": tuple(values["waits_in"]),
    }
    return Xray(**{key: values[key] for key in SAVED} | parts, facts=Facts((), {}))
