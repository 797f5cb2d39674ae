"""What the judge hands back: one line for every property, points, and a hint where they are missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iolab.display import tables


@dataclass(frozen=True)
class Check:
    """One property: whether the answer has it, what that is worth, and what was seen."""

    name: str
    passed: bool
    points: int
    says: str

    def row(self) -> dict[str, Any]:
        """Return the check as a row of a table."""
        got = f"{self.points if self.passed else 0} of {self.points}"
        return {"property": self.name, "": "✓" if self.passed else "✗", "points": got, "what was seen": self.says}


@dataclass(frozen=True)
class Report:
    """The checks of one exercise, and the seed that its cases were drawn from."""

    exercise: str
    seed: int
    checks: tuple[Check, ...]

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
        return [check.row() for check in self.checks]

    def __str__(self) -> str:
        return f"{self.exercise}: {self.score} of {self.out_of} points (seed {self.seed})"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(f"{self}\n{tables.as_text(self.rows())}")

    def _repr_html_(self) -> str:
        return tables.as_html(self.rows(), str(self))


def report(exercise: str, seed: int, checks: Iterable[Mapping[str, Any]]) -> Report:
    """Return a report from checks as JSON has them."""
    return Report(exercise, seed, tuple(Check(**check) for check in checks))
