"""Scores for a learning platform: its own list of students in, the same list with a column for each exercise out.

Canvas and Moodle find a student by columns of their own, which no folder of answers has. So the list comes from
them: Canvas's is what *Grades, Export* gives, Moodle's what *Participants, Download* or *Grades, Export* gives.
What each makes of a column stands in its importer: `lib/gradebook_importer.rb` of Canvas, and
`grade/import/csv/classes/load_data.php` of Moodle. Moodle takes an empty cell of a new item for 0, and a line without
its student for the student before, so an absent score is a dash there, and who cannot be found gets no line.
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
    "canvas": (
        *("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID"),
        *("Integration ID", "Root Account", "Section"),
    ),
    "moodle": (
        *("First name", "Last name", "Surname", "Username", "ID number"),
        *("Institution", "Department", "Email address"),
    ),
}
"""The columns by which each platform finds a student; what else its list has is left out."""

NEEDED = {"canvas": ("ID", "Section"), "moodle": ("Email address",)}
ABSENT = {"canvas": "", "moodle": "-"}
"""The cell of a student who handed nothing in."""

SEPARATORS = ",;\t"
"""What stands between columns: a spreadsheet, and Canvas in some countries, writes semicolons."""

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
        names, *lines = _parse(text)
        platform = next((each for each, needed in NEEDED.items() if set(needed) <= set(names)), None)
        if platform is None:
            needed = "; ".join(f"{', '.join(columns)} for {each.title()}" for each, columns in NEEDED.items())
            raise UsageError(
                f"{path} is no list of students: expected the columns {needed}, in English; it has {', '.join(names)}"
            )
        columns = tuple(name for name in names if name in IDENTITY[platform])
        rows = [{name: row.get(name, "").strip() for name in columns} for row in lines]
        return cls(platform, columns, tuple(row for row in rows if any(row.values()) and row[columns[0]] != POINTS))

    def key(self, students: Sequence[str], asked: str | None = None) -> str:
        """Return the column that has the names of the students' folders. Raise UsageError if none has any."""
        if asked and asked not in self.columns:
            raise UsageError(
                f"no column {asked!r} by which {self.platform.title()} finds a student: the list has "
                f"{', '.join(self.columns)}"
            )
        known = {column: len(self._values(column) & set(students)) for column in ([asked] if asked else self.columns)}
        best = max(known, key=lambda column: known[column])
        if not known[best]:
            raise UsageError(
                f"no column of the list ({', '.join(self.columns)}) has a student of this class, such as "
                f"{min(students, default='nobody')!r}: name the folders by one of them, or put them into one"
            )
        return best

    def _values(self, column: str) -> set[str]:
        return {row[column] for row in self.rows}

    def with_scores(self, scores: Scores, out_of: Mapping[str, float], key: str) -> str:
        """Return the list as CSV for the platform to import: a score for each exercise that a student handed in."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*self.columns, *out_of])
        if self.platform == "canvas":
            head = [f"    {POINTS}", *[""] * (len(self.columns) - 1)]
            lines.writerow([*head, *(f"{points:g}" for points in out_of.values())])
        for row in filter(lambda row: row[key], self.rows):
            mine = scores.get(row[key], {})
            points = (f"{mine[name]:g}" if name in mine else ABSENT[self.platform] for name in out_of)
            lines.writerow([*row.values(), *points])
        return text.getvalue()

    def strangers(self, students: Sequence[str], key: str) -> list[str]:
        """Return who is in the class and not in the list."""
        return sorted(set(students) - self._values(key))


def _parse(text: str) -> tuple[list[str], *tuple[dict[str, str], ...]]:
    """Return the names of the columns, and each line by them."""
    head = text.partition("\n")[0]
    names, *lines = list(csv.reader(io.StringIO(text), delimiter=max(SEPARATORS, key=head.count))) or [[]]
    names = [name.strip() for name in names]
    return names, *(dict(zip(names, line, strict=False)) for line in lines)
