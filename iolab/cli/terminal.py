"""What the commands print: tables, bars and notes at most 80 columns wide, the step under way, and a figure's file."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from iolab.display import tables
from iolab.errors import UsageError

LATENCIES = {50: "p50_us", 90: "p90_us", 99: "p99_us", 99.9: "p999_us", 100: "max_us"}
"""The columns of a load's latencies, by the percentile."""

SERVICE = ("service_p50_us", "service_p99_us", "service_max_us")
NARROW = ("requests", "max_us", *SERVICE, "in_client_us", "server_cpu_share", "client_cpu_share", "interval", "p")
"""Figures that a comparison leaves out in a terminal, to fit 80 columns."""

NAMES = ("model", "worker", "call", "time", "file", "exercise")
"""Where space is short a name may be broken, a figure may not."""

BAR_COLUMNS = 48
"""How wide the bars are drawn; with a label beside them they fit 80 columns."""

UNITS = ((1e6, "s"), (1e3, "ms"), (1, "µs"))

console = Console(highlight=False)


def show(parts: Iterable[RenderableType]) -> None:
    """Print parts, one under the other."""
    for part in parts:
        console.print(part)


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return rows of figures as a table."""
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    headings = {
        key: heading for key, heading in tables.columns(rows).items() if not ("model" in rows[0] and key in NARROW)
    }
    for key, heading in headings.items():
        is_name = key in NAMES
        grid.add_column(heading, justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(tables.cell(key, row)) for key in headings))
    return grid


def load_tables(whole: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield the figures of a load, its latencies, their bars, and the statuses of a server of HTTP.

    The latencies are a row for each clock: with a rate the response and the service time, else the service time.
    """
    apart = (*LATENCIES.values(), *SERVICE, *LISTS)
    yield table([{key: value for key, value in whole.items() if key not in apart}])
    clocks = ("response", "service") if SERVICE[0] in whole else ("service",)
    rows = [{"time": f"{clock} time", **_times(whole, clock)} for clock in clocks]
    yield table(rows)
    yield from plot(rows, "{time}")
    if "statuses" in whole:
        yield Text("; ".join(f"status {status}: {count:,}" for status, count in whole["statuses"].items()))


LISTS = ("statuses", "workers", "lost", "doubts", "percentiles", "spread_ms")
"""What JSON has of a load that no column holds."""


def _times(whole: Mapping[str, Any], clock: str) -> dict[str, Any]:
    times = {row["percentile"]: row[f"{clock}_us"] for row in whole["percentiles"]}
    return {name: times[percent] for percent, name in LATENCIES.items()} | {"latency_of": whole["latency_of"]}


def plain_table(*, gap: int = 1, between_rows: int = 0) -> Table:
    """Return an empty table without a heading; long words are broken between words."""
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, gap, between_rows, 0))


def spans(bars: Mapping[str, tuple[float, float]]) -> Table:
    """Return bars from one time to another, in microseconds and by their label, on one axis of whole decades."""
    first = math.floor(math.log10(min(begin for begin, _ in bars.values())))
    decades = max(1, math.ceil(math.log10(max(end for _, end in bars.values()))) - first)
    grid = Table.grid(padding=(0, 1, 0, 0))
    for label, times in bars.items():
        begin, end = (math.log10(time_us) - first for time_us in times)
        end = max(end, begin + decades / BAR_COLUMNS)  # at least one column
        grid.add_row(label, Bar(decades, begin, end, width=BAR_COLUMNS, color="cyan"))
    axis = ""
    for decade in range(decades + 1):
        name = _time(10.0 ** (first + decade))
        place = min(decade * BAR_COLUMNS // decades, BAR_COLUMNS - len(name))
        axis = axis.ljust(place) + name
    grid.add_row("", Text(axis, style="dim"))
    return grid


def _time(time_us: float) -> str:
    unit, name = next((unit, name) for unit, name in UNITS if time_us >= unit or unit == 1)
    return f"{time_us / unit:g} {name}"


def plot(rows: Iterable[Mapping[str, Any]], label: str) -> Iterator[RenderableType]:
    """Yield bars from the median of each row to its p99, or to its slowest where there are too few for that."""
    bars = {label.format(**row): (row["p50_us"], row["p99_us"] or row["max_us"]) for row in rows if row["p50_us"]}
    if bars:
        yield Text("p50 to p99", style="dim")
        yield spans(bars)


def notes(sentences: Iterable[object]) -> Iterator[RenderableType]:
    """Yield sentences to stand under a table, each with a mark."""
    yield from (Text.assemble(("! ", "yellow"), str(sentence)) for sentence in sentences)


@contextmanager
def steps(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the step under way on one line of the terminal; where there is none, nothing."""
    # No thread redraws it: while a step runs, what draws would take the GIL from the server.
    with Live(console=Console(stderr=True, quiet=quiet), auto_refresh=False, transient=True) as line:
        yield lambda step: line.update(Text(step, no_wrap=True), refresh=True)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure to a file. Raise UsageError if it cannot be written."""
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(f"cannot write the figure to {path}: {error.strerror}") from None
