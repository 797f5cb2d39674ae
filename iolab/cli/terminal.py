"""Records as tables of a terminal, at most 80 columns wide."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from iolab.display import tables
from iolab.health import Report

if TYPE_CHECKING:
    from iolab import exercises
    from iolab.experiments.result import Result

NARROW = ("requests", "max_us", "server_cpu_share", "client_cpu_share", "interval")
"""Figures that a comparison leaves out in a terminal, to fit 80 columns."""


SPAN_COLUMNS = 48
"""How wide the bars are drawn; with a label beside them they fit 80 columns."""

UNITS = ((1e6, "s"), (1e3, "ms"), (1, "µs"))


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


def spans(bars: Mapping[str, tuple[float, float]]) -> Table:
    """Return bars from one time to another, in microseconds and by their label, on one axis of whole decades."""
    first = math.floor(math.log10(min(begin for begin, _ in bars.values())))
    decades = max(1, math.ceil(math.log10(max(end for _, end in bars.values()))) - first)
    drawn = Table.grid(padding=(0, 1, 0, 0))
    for label, times in bars.items():
        begin, end = (math.log10(time_us) - first for time_us in times)
        end = max(end, begin + decades / SPAN_COLUMNS)  # a column at the least
        drawn.add_row(label, Bar(decades, begin, end, width=SPAN_COLUMNS, color="cyan"))
    axis = ""
    for decade in range(decades + 1):
        name = _time(10.0 ** (first + decade))
        place = min(decade * SPAN_COLUMNS // decades, SPAN_COLUMNS - len(name))
        axis = axis.ljust(place) + name
    drawn.add_row("", Text(axis, style="dim"))
    return drawn


def _time(time_us: float) -> str:
    unit, name = next((unit, name) for unit, name in UNITS if time_us >= unit or unit == 1)
    return f"{time_us / unit:g} {name}"


def plot(rows: Iterable[Mapping[str, Any]], label: str) -> Iterator[Table | Text]:
    """Yield bars from the median of each row to its p99, or to its slowest where there are too few for that."""
    bars = {label.format(**row): (row["p50_us"], row["p99_us"] or row["max_us"]) for row in rows if row["p50_us"]}
    if bars:
        yield Text("p50 to p99", style="dim")
        yield spans(bars)


def notes(sentences: Iterable[object]) -> Iterator[Text]:
    """Yield sentences that stand under a table, each with a mark."""
    yield from (Text.assemble(("! ", "yellow"), str(sentence)) for sentence in sentences)


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


def experiment(record: "Result") -> Iterator[Table | Text]:
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
