"""Records as tables of a terminal, at most 80 columns wide."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from iolab import tables
from iolab.doctor import Report

if TYPE_CHECKING:
    from iolab import exercises
    from iolab.measure.experiments import Record

NARROW = ("requests", "max_us", "server_cpu_share", "client_cpu_share", "interval")
"""Figures that a comparison leaves out in a terminal, to fit 80 columns."""


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return rows of figures as a table."""
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    shown = {
        key: heading for key, heading in tables.columns(rows).items() if not ("model" in rows[0] and key in NARROW)
    }
    for key, heading in shown.items():
        named = key in ("model", "worker")  # a name may be broken where the room is short, a figure may not
        drawn.add_column(heading, justify="left" if named else "right", no_wrap=not named, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(tables.written(key, row[key])) for key in shown))
    return drawn


def notes(sentences: Iterable[str]) -> Iterator[Text]:
    """Yield sentences that stand under a table, each with a mark."""
    yield from (Text.assemble(("! ", "yellow"), sentence) for sentence in sentences)


def report(found: Report) -> Iterator[Table]:
    """Yield the doctor's tables: the machine, then the models."""
    machine = Table(box=None, show_header=False, pad_edge=False)
    for finding in found.findings:
        machine.add_row(finding.what, finding.value, Text(finding.means, style="dim"))
    yield machine
    models = Table(box=None, show_header=False, pad_edge=False)
    for row in found.models:
        runs = Text("runs", style="green") if row["runs"] else Text("cannot run", style="red")
        models.add_row(row["model"], runs, Text(row["why_not"] or ""))
    yield models


def grades(found: "exercises.Report") -> Table:
    """Return what the judge found: a line for every property."""
    drawn = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for check in found.checks:
        mark = Text("✓", style="green") if check.passed else Text("✗", style="red")
        drawn.add_row(mark, check.name, f"{check.points if check.passed else 0}/{check.points}", Text(check.says))
    return drawn


def wrapped(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return rows of words as a table without a heading; long ones are broken between words."""
    drawn = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 1, 0))
    for row in rows:
        drawn.add_row(*(Text(str(value)) for value in row.values()))
    return drawn


def experiment(record: "Record") -> Iterator[Table | Text]:
    """Yield the table of an experiment, the placement, what is missing or doubtful, and the verdict."""
    yield table(record.table())
    yield Text(record.placement, style="dim")
    yield from (Text(f"! {note}", style="yellow") for note in record.notes)
    yield Text(str(record.verdict))


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that names the step that begins, on one line of the terminal; nothing elsewhere.

    It draws between two steps and never within one: what draws holds the GIL.
    """
    shown = sys.stderr.isatty() and not quiet
    erase = "\r\x1b[K"

    def show(step: str) -> None:
        if shown:
            print(f"{erase}{step}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        show("")
