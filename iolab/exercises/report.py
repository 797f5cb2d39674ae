"""What the judge hands back: one line for every property, points, and a hint where they are missing."""

from dataclasses import dataclass
from typing import Any, Self

from iolab.display import tables
from iolab.exercises.meanings import MEANINGS
from iolab.exercises.protocol import Check, Malformed, build


@dataclass(frozen=True, repr=False)
class Report(tables.Readable):
    """The checks of one exercise, and the seed that its cases were drawn from."""

    exercise: str
    seed: int
    checks: tuple[Check, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the report that `as_dict` gave. Raise Malformed if it gave something else."""
        try:
            checks = tuple(build(Check, each) for each in values["checks"])
            return cls(str(values["exercise"]), int(values["seed"]), checks)
        except (LookupError, TypeError, ValueError):
            raise Malformed(f"expected a report with its exercise, seed and checks, got {values!r:.80}") from None

    @property
    def score(self) -> int:
        """The points of the properties that the answer has."""
        return sum(check.points for check in self.checks if check.passed)

    @property
    def out_of(self) -> int:
        """The points that there are."""
        return sum(check.points for check in self.checks)

    def failed(self) -> list[str]:
        """List the properties that the answer lacks."""
        return [check.name for check in self.checks if not check.passed]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the JSON output has it."""
        return {
            "exercise": self.exercise,
            "seed": self.seed,
            "score": self.score,
            "out_of": self.out_of,
            "checks": [vars(check) for check in self.checks],
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the checks as rows of a table."""
        return [_write_row(check) for check in self.checks]

    def __str__(self) -> str:
        return f"{self.exercise}: {self.score} of {self.out_of} points (seed {self.seed})"

    def parts(self) -> list[tables.Part]:
        """Return the checks as one table, and what those that failed ask for as another."""
        lacks = [{"property": name, "what it means": MEANINGS[name]} for name in self.failed() if name in MEANINGS]
        return [tables.Part(self.rows(), str(self)), *([tables.Part(lacks, "What is missing")] if lacks else [])]


def _write_row(check: Check) -> dict[str, Any]:
    points = f"{check.points if check.passed else 0} of {check.points}"
    return {"property": check.name, "": "✓" if check.passed else "✗", "points": points, "what was seen": check.says}
