"""Several servers under the same load, one after the other: `compare`."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from iolab.display import tables
from iolab.errors import UsageError
from iolab.listening import Respond
from iolab.measurement.run import Run, measure
from iolab.measurement.statistics import FEWEST, median, ratio, verdict
from iolab.models import MODELS, find, require, runnable
from iolab.replies import upper
from iolab.traffic.workload import Tick, Workload

OnRun = Callable[[str, int, Tick], None]
VERDICT = ("interval", "verdict")
"""The columns of a ranking that take repeats."""


@dataclass(frozen=True)
class Comparison:
    """The runs of a comparison, in the order in which they were made."""

    runs: tuple[Run, ...]

    @property
    def groups(self) -> dict[tuple[str, int], list[Run]]:
        """The runs of each model at each number of connections, in the order in which they were made."""
        groups: dict[tuple[str, int], list[Run]] = {}
        for run in self.runs:
            groups.setdefault((run.model, run.records.workload.connections), []).append(run)
        return groups

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a model and number of connections: the run in the middle by CPU time per request."""
        return [middle(group).summary() for group in self.groups.values()]

    @property
    def ranking(self) -> list[dict[str, Any]]:
        """The rows of each number of connections, cheapest first, each held against the cheapest.

        `ratio` is of CPU time per request, pair by pair of the runs that took turns, with its
        95 % interval; six repeats are the fewest that allow one, and fewer end in *cannot tell*.
        """
        counts = dict.fromkeys(connections for _, connections in self.groups)
        return [row for count in counts for row in self._ranked(count)]

    def _ranked(self, connections: int) -> list[dict[str, Any]]:
        groups = [runs for (_, count), runs in self.groups.items() if count == connections]
        groups.sort(key=lambda runs: cost(middle(runs)))
        first = [cost(run) for run in groups[0]]
        rows = [middle(groups[0]).summary() | {"ratio": 1.0, "interval": None, "verdict": "cheapest"}]
        for runs in groups[1:]:
            costs = [cost(run) for run in runs]
            times = ratio(costs, first)
            rows.append(
                middle(runs).summary()
                | {
                    "ratio": round(median([mine / other for mine, other in zip(costs, first, strict=True)]), 3),
                    "interval": times and [round(times.low, 3), round(times.high, 3)],
                    "verdict": verdict(times),
                }
            )
        return rows

    def table(self, *columns: str) -> tables.Table:
        """Return the ranking as a notebook shows it: these columns, or all of them.

        Where too few repeats allow no verdict, its columns are left out, and a note says why.
        """
        hidden = VERDICT if self.too_few else ()
        rows = [{key: row[key] for key in columns or row if key not in hidden} for row in self.ranking]
        doubts = [f"{doubt}{_times(alike, len(self.runs))}" for doubt, alike in _told_once(self.runs)]
        return tables.Table(rows, str(self.runs[0].placement), [*self.too_few, *doubts])

    def frame(self) -> Any:
        """Return a pandas DataFrame with one row a run, repeats included."""
        import pandas

        return pandas.DataFrame([run.summary() for run in self.runs])

    @property
    def doubts(self) -> list[str]:
        """What makes single runs less than they seem; of the repeats that are doubted alike, the first speaks."""
        return [
            f"{model} @{count}: {doubt}{_times(alike, len(runs))}"
            for (model, count), runs in self.groups.items()
            for doubt, alike in _told_once(runs)
        ]

    @property
    def too_few(self) -> list[str]:
        """Why no model is called slower than another, if there were too few repeats for it."""
        repeats = min(len(runs) for runs in self.groups.values())
        alone = len(self.groups) == len({count for _, count in self.groups})
        return [] if alone or repeats >= FEWEST else [f"a verdict takes {FEWEST} repeats; this was {repeats}"]

    def _repr_html_(self) -> str:
        return tables.as_html(self.rows, str(self.runs[0].placement)) + tables.notes(self.doubts)

    @property
    def left_out(self) -> dict[str, str]:
        """The models that cannot run here, and why."""
        return {name: reason for name in MODELS if (reason := find(name).why_not())}


def _told_once(runs: Sequence[Run]) -> Iterator[tuple[str, int]]:
    """Yield each doubt of some runs, and in how many of them it stands, with whatever figures."""
    doubts = [doubt for run in runs for doubt in run.doubts]
    kinds = [re.sub(r"[\d.,]+", "", doubt) for doubt in doubts]
    for kind in dict.fromkeys(kinds):
        yield doubts[kinds.index(kind)], kinds.count(kind)


def _times(count: int, of: int) -> str:
    return f" ({count} of {of} runs)" if of > 1 else ""


def middle(runs: Sequence[Run]) -> Run:
    """Return the run with the median CPU time per request."""
    ranked = sorted(runs, key=cost)
    return ranked[(len(ranked) - 1) // 2]


def cost(run: Run) -> float:
    """Return the CPU time per request by which runs are ranked; without an answer, no end of it."""
    return run.cpu_us_per_request or float("inf")


def compare(
    models: Iterable[str] = (),
    connections: Iterable[int] = (10,),
    *,
    repeats: int = 1,
    respond: Respond = upper,
    pin: bool = True,
    on_run: OnRun = lambda model, connections, tick: None,
    **work: Any,
) -> Comparison:
    """Measure each model at each number of connections; all models take turns in every repeat.

    Without names, every model that runs here; of those named, the ones that do. Raise UsageError
    for a name that does not exist, and if none is left.
    """
    names, runs = _names(models), []
    for workload in _workloads(connections, work):
        for _ in range(repeats):
            for name in names:
                told = partial(on_run, name, workload.connections)
                runs.append(measure(name, workload, respond=respond, pin=pin, on_tick=told))
    return Comparison(tuple(runs))


def _names(models: Iterable[str]) -> list[str]:
    asked = list(models)
    names = runnable(asked)
    if not names:
        require(asked[0])  # which says why it cannot run
    return names


def _workloads(connections: Iterable[int], work: dict[str, Any]) -> list[Workload]:
    # All before the first run, so that a wrong number does not cost the others.
    workloads = [Workload(connections=count, **work) for count in connections]
    if not workloads:
        raise UsageError("a comparison needs at least one number of connections, such as [10]")
    return workloads
