"""Several servers under the same load, one after the other: `compare`."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

from iolab.display import tables
from iolab.display.progress_bar import Tick
from iolab.errors import UsageError
from iolab.listening import Respond
from iolab.measurement.fresh import measure_fresh
from iolab.measurement.run import Run, measure
from iolab.measurement.statistics import Judgement, fewest, judge, pair
from iolab.models import MODELS, Model
from iolab.replies import upper
from iolab.traffic.doubts import Doubt, gather
from iolab.traffic.workload import Workload

OnRun = Callable[[str, int, Tick], None]
VERDICT = ("interval", "p", "verdict")
"""The columns of a ranking that need repeats."""

BASELINE = {"ratio": 1.0, "interval": None, "p": None, "verdict": "baseline"}
USUAL = "epoll"


@dataclass(frozen=True, repr=False)
class Comparison(tables.Readable):
    """The runs of a comparison, in their order."""

    runs: tuple[Run, ...]
    baseline: str = ""
    """The model that the others are held against, named before the first run."""
    order_seed: int = 0
    """What the order of the models in every repeat was drawn from: the same seed, the same order."""

    def __post_init__(self) -> None:
        names = [model for model, _ in self.groups]
        object.__setattr__(self, "baseline", self.baseline or usual_baseline(names))

    @property
    def groups(self) -> dict[tuple[str, int], list[Run]]:
        """The runs of each model at each number of connections, in their order."""
        groups: dict[tuple[str, int], list[Run]] = {}
        for run in self.runs:
            groups.setdefault((run.model, run.records.workload.connections), []).append(run)
        return groups

    @property
    def counts(self) -> list[int]:
        """The numbers of connections, in their order."""
        return list(dict.fromkeys(connections for _, connections in self.groups))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a model and number of connections, as ranked: the run in the middle by CPU time per request."""
        return [{key: row[key] for key in row if key not in BASELINE} for row in self.ranking]

    @property
    def ranking(self) -> list[dict[str, Any]]:
        """The rows of each number of connections by their ratio to the baseline, smallest first.

        `ratio` is of CPU time per request, repeat by repeat. `interval`, `p` and `verdict` have Holm's
        correction for all that a ranking compares with its baseline: see `iolab.measurement.statistics`.
        """
        return [row for count in self.counts for row in self._ranked(count)]

    def _ranked(self, connections: int) -> list[dict[str, Any]]:
        groups = {model: runs for (model, count), runs in self.groups.items() if count == connections}
        others = [model for model in groups if model != self.baseline]
        judgements = judge([self.ratios(model, self.baseline, connections) for model in others])
        rows = [middle(groups[self.baseline]).summary() | BASELINE]
        rows += [
            middle(groups[model]).summary() | as_columns(judgement)
            for model, judgement in zip(others, judgements, strict=True)
        ]
        return sorted(rows, key=lambda row: inf if row["ratio"] is None else row["ratio"])

    def ratios(self, model: str, other: str, connections: int) -> list[float]:
        """Return how many times the other's CPU time a model took for a request, repeat by repeat."""
        mine, others = ([run.cpu_us_per_request for run in self.groups[name, connections]] for name in (model, other))
        return pair(mine, others)

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
        repeats, models = min(map(len, self.groups.values())), len(self.groups) // len(self.counts)
        needed = fewest(models - 1)
        figures = {"needed": needed, "repeats": repeats, "models": models}
        return [] if models == 1 or repeats >= needed else [Doubt("few repeats", figures)]

    def parts(self) -> list[tables.Part]:
        """Return the rows as one table."""
        return [tables.Part(self.rows, str(self.runs[0].placement), self.doubts)]

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
    return run.cpu_us_per_request or inf


def usual_baseline(names: Sequence[str]) -> str:
    """Return the model to hold the others against where none is named: `epoll`, or else the first."""
    return USUAL if USUAL in names else names[0]


def as_columns(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as columns of a ranking."""
    interval = judgement.interval and [judgement.interval.low, judgement.interval.high]
    return {
        "ratio": None if judgement.ratio is None else round(judgement.ratio, 3),
        "interval": interval,
        "p": float(f"{judgement.p:.2g}"),
        "verdict": judgement.word,
    }


def compare(
    models: Sequence[Model],
    workloads: Iterable[Workload],
    *,
    repeats: int = 1,
    baseline: str | None = None,
    order_seed: int | None = None,
    fresh: bool = False,
    respond: Respond = upper,
    pin: bool = True,
    on_run: OnRun = lambda model, connections, tick: None,
) -> Comparison:
    """Measure each model under each workload; all models take turns in every repeat, in an order drawn for it.

    `fresh` makes each run in a process of its own, which draws its memory layout anew. Without it the servers are
    threads of this process one after the other, and what its layout does to one of them is in all repeats.
    Raise UsageError, before the first run, for a workload that is not possible here or a baseline that is not
    among the models.
    """
    models = list({model.name: model for model in models}.values())  # one that is named twice is still one
    workloads, runs, names = list(workloads), list[Run](), [model.name for model in models]
    baseline = usual_baseline(names) if baseline is None else baseline
    if baseline not in names:
        raise UsageError(
            f"expected a baseline among the models that are compared ({', '.join(names)}), not {baseline!r}"
        )
    for workload in workloads:
        workload.require()
    order_seed = random.SystemRandom().getrandbits(32) if order_seed is None else order_seed
    draw, run = random.Random(order_seed), measure_fresh if fresh else measure
    for workload in workloads:
        for _ in range(repeats):
            for model in draw.sample(models, len(models)):
                on_tick = partial(on_run, model.name, workload.connections)
                runs.append(run(model, workload, respond=respond, pin=pin, on_tick=on_tick))
    return Comparison(tuple(runs), baseline, order_seed)
