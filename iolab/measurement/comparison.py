"""Several servers under the same load, one after the other: `compare`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from iolab.display import tables
from iolab.listening import Respond
from iolab.measurement.run import Run, measure
from iolab.measurement.statistics import FEWEST, ratio, verdict
from iolab.models import MODELS, Model
from iolab.replies import upper
from iolab.traffic.doubts import Doubt, gather
from iolab.traffic.workload import Tick, Workload

OnRun = Callable[[str, int, Tick], None]
VERDICT = ("interval", "verdict")
"""The columns of a ranking that need repeats."""


@dataclass(frozen=True)
class Comparison:
    """The runs of a comparison, in their order."""

    runs: tuple[Run, ...]

    @property
    def groups(self) -> dict[tuple[str, int], list[Run]]:
        """The runs of each model at each number of connections, in their order."""
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
        cheapest = [cost(run) for run in groups[0]]
        rows = [middle(groups[0]).summary() | {"ratio": 1.0, "interval": None, "verdict": "cheapest"}]
        for runs in groups[1:]:
            costs = [cost(run) for run in runs]
            times = ratio(costs, cheapest)
            rows.append(
                middle(runs).summary()
                | {
                    "ratio": round(median([mine / least for mine, least in zip(costs, cheapest, strict=True)]), 3),
                    "interval": times and [round(times.low, 3), round(times.high, 3)],
                    "verdict": verdict(times),
                }
            )
        return rows

    def table(self, *columns: str) -> tables.Table:
        """Return the ranking as a notebook shows it: these columns, or all of them.

        Where too few repeats allow no verdict, its columns are left out, and a note says why.
        """
        without = VERDICT if self.too_few else ()
        rows = [{key: row[key] for key in columns or row if key not in without} for row in self.ranking]
        doubts = gather((doubt for run in self.runs for doubt in run.doubts), len(self.runs))
        return tables.Table(rows, str(self.runs[0].placement), [*self.too_few, *doubts])

    def frame(self) -> Any:
        """Return a pandas DataFrame with one row a run, repeats included."""
        import pandas

        return pandas.DataFrame([run.summary() for run in self.runs])

    @property
    def doubts(self) -> list[Doubt]:
        """Reasons to distrust single runs, with the model and the number of connections; repeats speak once."""
        return [
            doubt.at(f"{model} @{count}")
            for (model, count), runs in self.groups.items()
            for doubt in gather((doubt for run in runs for doubt in run.doubts), len(runs))
        ]

    @property
    def too_few(self) -> list[Doubt]:
        """Why no model is called slower than another, if there were too few repeats for a verdict."""
        repeats = min(len(runs) for runs in self.groups.values())
        alone = len(self.groups) == len({count for _, count in self.groups})
        return [] if alone or repeats >= FEWEST else [Doubt("few repeats", {"needed": FEWEST, "repeats": repeats})]

    def _repr_html_(self) -> str:
        return tables.as_html(self.rows, str(self.runs[0].placement)) + tables.notes(self.doubts)

    @property
    def left_out(self) -> dict[str, str]:
        """The models that cannot run here, and why."""
        return {name: reason for name, model in MODELS.items() if (reason := model.why_not())}


def middle(runs: Sequence[Run]) -> Run:
    """Return the run with the median CPU time per request."""
    ranked = sorted(runs, key=cost)
    return ranked[(len(ranked) - 1) // 2]


def cost(run: Run) -> float:
    """Return the CPU time per request, by which runs are ranked; infinite if nothing was answered."""
    return run.cpu_us_per_request or float("inf")


def compare(
    models: Sequence[Model],
    workloads: Iterable[Workload],
    *,
    repeats: int = 1,
    respond: Respond = upper,
    pin: bool = True,
    on_run: OnRun = lambda model, connections, tick: None,
) -> Comparison:
    """Measure each model under each workload; all models take turns in every repeat.

    Raise UsageError, before the first run, for a workload that is not possible here.
    """
    workloads, runs = list(workloads), []
    for workload in workloads:
        workload.require()
    for workload in workloads:
        for model in list(models) * repeats:
            on_tick = partial(on_run, model.name, workload.connections)
            runs.append(measure(model, workload, respond=respond, pin=pin, on_tick=on_tick))
    return Comparison(tuple(runs))
