"""How far a class is: the progress files that students hand in, as two tables."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iolab import progress
from iolab.claims.verdicts import LESSON
from iolab.course.outline import Stage, stages
from iolab.errors import UsageError
from iolab.exercises.protocol import printable

FILES = "*progress*.json"
MOST_BYTES = 1 << 22
"""A progress file has some kilobytes; what is far larger is none."""

DAMAGED = "cannot be read"


def list_standings(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each student whose progress file is anywhere below `folder/STUDENT`."""
    standings = dict(_read_all(folder))
    if not standings:
        raise UsageError(f"no progress file was handed in: expected {folder}/STUDENT/progress.json")
    return [_row(student, course) for student, course in standings.items()]


def count_verdicts(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each claim that has a verdict of anybody: how many have found which."""
    counts: dict[str, Counter[str]] = {claim: Counter() for claim in LESSON}
    for _, course in _read_all(folder):
        for stage in course or []:
            for claim, word in stage.verdicts.items():
                counts[claim].update([printable(word)] if word else [])
    words = sorted({word for count in counts.values() for word in count})
    return [{"claim": claim, **{word: count[word] for word in words}} for claim, count in counts.items() if count]


def _read_all(folder: Path) -> Iterator[tuple[str, list[Stage] | None]]:
    """Yield each student with the lessons, or None for a file that is no progress file; of several all count."""
    for student in sorted(path for path in folder.glob("*") if path.is_dir()):
        files = sorted(student.rglob(FILES))
        if files:
            yield printable(student.name), _read(files)


def _read(files: list[Path]) -> list[Stage] | None:
    recorded: dict[str, Any] = {}
    try:
        for file in files:
            if file.stat().st_size > MOST_BYTES:
                return None
            recorded = progress.merge(recorded, json.loads(file.read_text(encoding="utf-8")))
        return stages(LESSON, recorded)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):  # a student wrote it
        return None


def _row(student: str, course: list[Stage] | None) -> dict[str, Any]:
    if course is None:
        return {"student": student, "lessons": DAMAGED, "guesses": "", "drills": "", "verdicts": "", "points": ""}
    points = [each for stage in course for each in stage.points]
    return {
        "student": student,
        "lessons": _share([stage.done for stage in course]),
        "guesses": _marks(stage.guesses for stage in course),
        "drills": _marks(stage.drills for stage in course),
        "verdicts": _share([bool(word) for stage in course for word in stage.verdicts.values()]),
        "points": f"{sum(each.score or 0 for each in points):g} of {sum(each.out_of for each in points)}",
    }


def _marks(parts: Iterator[Mapping[str, str]]) -> str:
    return _share([mark == "right" for marks in parts for mark in marks.values()])


def _share(flags: list[bool]) -> str:
    return f"{sum(flags)} of {len(flags)}"
