"""Scores for a learning platform: its own list of students in, the same list with a column for each exercise out.

Canvas and Moodle find a student by columns of their own, which no folder of answers has. So the list comes from
them: Canvas's is what *Grades, Export* gives, Moodle's what *Participants, Download* or *Grades, Export* gives.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from iolab.errors import UsageError

POINTS = "Points Possible"
"""The first cell of Canvas's row with what each column is out of; it stands above the students."""

IDENTITY = {
    "canvas": ("Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section"),
    "moodle": ("First name", "Last name", "Username", "ID number", "Institution", "Department", "Email address"),
}
"""The columns by which each platform finds a student; what else its list has is left out."""

NEEDED = {"canvas": ("Student", "ID", "Section"), "moodle": ("Email address",)}

Scores = Mapping[str, Mapping[str, float]]
"""The score by exercise, by student."""


@dataclass(frozen=True)
class Roster:
    """The list of students that a platform gives, without what it has of their grades."""

    platform: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a list. Raise UsageError for one that neither platform gives."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the list of students in {path}: {error}") from None
        names, *lines = list(csv.reader(io.StringIO(text))) or [[]]
        names = [name.strip() for name in names]
        platform = next((each for each, needed in NEEDED.items() if set(needed) <= set(names)), None)
        if platform is None:
            needed = "; ".join(f"{', '.join(columns)} for {each.title()}" for each, columns in NEEDED.items())
            raise UsageError(f"{path} is no list of students: expected the columns {needed}; it has {', '.join(names)}")
        columns = tuple(name for name in names if name in IDENTITY[platform])
        rows = [dict(zip(names, line, strict=False)) for line in lines if any(map(str.strip, line))]
        return cls(platform, columns, tuple(row for row in rows if row[names[0]].strip() != POINTS))

    def key(self, students: Sequence[str]) -> str:
        """Return the column that has the names of the students' folders. Raise UsageError if none has any."""
        known = {column: len(self._values(column) & set(students)) for column in self.columns}
        best = max(known, key=lambda column: known[column])
        if not known[best]:
            raise UsageError(
                f"no column of the list ({', '.join(self.columns)}) has a student of this class, such as "
                f"{min(students, default='nobody')!r}: name the folders by one of them, or put them into one"
            )
        return best

    def _values(self, column: str) -> set[str]:
        return {row.get(column, "").strip() for row in self.rows}

    def with_scores(self, scores: Scores, out_of: Mapping[str, float], key: str) -> str:
        """Return the list as CSV for the platform to import: a score for each exercise that a student handed in."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*self.columns, *out_of])
        if self.platform == "canvas":
            head = [f"    {POINTS}", *[""] * (len(self.columns) - 1)]
            lines.writerow([*head, *(f"{points:g}" for points in out_of.values())])
        for row in self.rows:
            mine = scores.get(row.get(key, "").strip(), {})
            points = (f"{mine[name]:g}" if name in mine else "" for name in out_of)
            lines.writerow([*(row.get(column, "") for column in self.columns), *points])
        return text.getvalue()

    def strangers(self, students: Sequence[str], key: str) -> list[str]:
        """Return who is in the class and not in the list."""
        return sorted(set(students) - self._values(key))
