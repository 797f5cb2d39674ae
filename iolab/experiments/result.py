"""What every experiment hands back: rows, the placement, the doubts, and the shape."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from iolab.display import tables
from iolab.experiments import shape
from iolab.experiments.shape import Shape, Sign
from iolab.traffic.doubts import Doubt

Row = Mapping[str, Any]
OnStep = Callable[[str], None]


def quiet(step: str) -> None:
    """Report no step."""


@dataclass(frozen=True, repr=False)
class Result(tables.Readable):
    """The rows of one experiment.

    Each row has the `keys`, which tell it from the others, the `figures`, None where they could
    not be measured, and the reason in `why_not`. The first figure is the one that is compared.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    published: ClassVar[str | None] = None
    keys: ClassVar[dict[str, str]]
    figures: ClassVar[dict[str, str]]

    rows: tuple[Row, ...]
    placement: str
    doubts: tuple[Doubt, ...] = ()

    @property
    @abstractmethod
    def signs(self) -> list[Sign]:
        """The ratios and growths that make the shape, each compared with what is published."""

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return what every row has."""
        return (*cls.keys, *cls.figures, "why_not")

    @property
    def verdict(self) -> Shape:
        """Whether the shape is that of the published figures."""
        return shape.conclude(self.signs)

    def value(self, figure: str = "", **keys: Any) -> float | None:
        """Return one figure (the first, without a name) of the row with these keys; None if there is none."""
        return look_up(self.rows, figure or next(iter(self.figures)), **keys)

    def table(self) -> list[dict[str, Any]]:
        """Return the rows as a table shows them, under their headings; a figure without one is left out."""
        headings = {key: heading for key, heading in (self.keys | self.figures).items() if heading}
        return [{heading: row.get(key) for key, heading in headings.items()} for row in self.rows]

    @property
    def notes(self) -> list[str]:
        """Why figures are missing, and the reasons to distrust the others, in sentences."""
        missing = [
            f"{', '.join(str(row[key]) for key in self.keys)}: {row['why_not']}"
            for row in self.rows
            if row.get("why_not")
        ]
        return [*missing, *map(str, self.doubts)]

    def frame(self) -> Any:
        """Return the rows as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(list(self.rows))

    def parts(self) -> list[tables.Part]:
        """Return the rows as one table, and under it the verdict."""
        return [tables.Part(self.table(), f"{self.title}; {self.placement}", [*self.notes, self.verdict])]


def look_up(rows: Sequence[Row], figure: str, **keys: Any) -> float | None:
    """Return one figure of the row with these keys; None if there is none."""
    for row in rows:
        if all(row.get(key) == value for key, value in keys.items()):
            value = row.get(figure)
            return None if value is None else float(value)
    return None
