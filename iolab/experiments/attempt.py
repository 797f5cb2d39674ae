"""One run of an experiment, or the reason why there is none; and the sizes that an experiment takes."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from iolab.errors import LoadFailed, ServerFailed, UsageError, require_list
from iolab.listening import Respond
from iolab.measurement.run import Run, measure
from iolab.models import MODELS, Model
from iolab.replies import upper
from iolab.traffic.doubts import Doubt
from iolab.traffic.workload import LIMITS, Limits, Workload


def attempt(model: Model, workload: Workload, respond: Respond = upper) -> Run | str:
    """Measure a model under a load; return why not, where it cannot run, cannot start or breaks."""
    if reason := model.why_not() or workload.why_not():
        return reason
    try:
        return measure(model, workload, respond=respond)
    except (UsageError, LoadFailed, ServerFailed) as error:
        return str(error)


def first_that_runs(names: Iterable[str]) -> Model:
    """Return the first of these models that runs here, or else one that runs everywhere."""
    models = [MODELS[name] for name in names]
    return next((model for model in models if model.why_not() is None), MODELS["threads"])


def doubts_of(run: Run | str, where: str) -> list[Doubt]:
    """Return the doubts about a run, with where it was; none about a run that is not there."""
    return [doubt.at(where) for doubt in run.doubts] if isinstance(run, Run) else []


def sizes(name: str, values: Iterable[int], least: int) -> tuple[int, ...]:
    """Return the numbers of a size. Raise UsageError for what is no list of whole numbers of `least` or more."""
    require_list(values, f"{name} to be a list of numbers, such as [10, 100]")
    return tuple(whole(f"each of {name}", value, least) for value in values)


def whole(name: str, value: int, least: int) -> int:
    """Return a whole number. Raise UsageError for one below `least`, and for what is none."""
    return int(Limits(int, least=least).settle(name, value))


def duration(seconds: float) -> float:
    """Return a time in seconds. Raise UsageError for one that no load can last."""
    return LIMITS["seconds"].settle("seconds", seconds)


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Keep the calling thread on one CPU, and let it go where it might before; None leaves it alone."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
