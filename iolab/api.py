"""What a lesson calls: the package's functions, with a progress bar around those that take time.

numpy takes 0.1 s to import, so it is imported by the first call that needs it.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from iolab.archive.fallback import here_or_recorded
from iolab.display.progress_bar import progress_bar
from iolab.listening import Respond
from iolab.models import Serve
from iolab.replies import upper
from iolab.traffic.workload import Workload

if TYPE_CHECKING:
    from iolab.exercises import Report
    from iolab.measurement.comparison import Comparison
    from iolab.measurement.run import Run
    from iolab.trace.timeline import Timeline
    from iolab.traffic.records import Records


def measure(
    model: str | Serve,
    workload: Workload | None = None,
    *,
    respond: Respond = upper,
    pin: bool = True,
    recorded: str | None = None,
    **work: Any,
) -> "Run":
    """Start a server in a background thread, put a load on it, and record both.

    `work` spells a Workload out: `measure("epoll", connections=10, seconds=1)`. `recorded` names the run
    of `data/recorded/lessons` to show where this one cannot be made.
    """
    from iolab.measurement import run

    name = model if isinstance(model, str) else getattr(model, "__name__", "serve")

    def made() -> "Run":
        with progress_bar() as show:
            return run.measure(model, workload, respond=respond, pin=pin, on_tick=lambda tick: show(name, tick), **work)

    return here_or_recorded(recorded, run.Run, made, model, workload, work)


def load(address: tuple[str, int], workload: Workload | None = None, **work: Any) -> "Records":
    """Put a load on a server that runs already, and return the record of every request."""
    from iolab.traffic import process

    with progress_bar() as show:
        return process.load(address, workload or Workload(**work), on_tick=lambda tick: show("load", tick))


def compare(
    models: Iterable[str] = (), connections: Iterable[int] = (10,), *, repeats: int = 1, **work: Any
) -> "Comparison":
    """Measure each model at each number of connections, taking turns; without names, all that run here."""
    from iolab.measurement import comparison

    with progress_bar() as show:
        return comparison.compare(
            models,
            connections,
            repeats=repeats,
            on_run=lambda model, count, tick: show(f"{model} @{count}", tick),
            **work,
        )


def timeline(
    model: str | Serve,
    workload: Workload | None = None,
    *,
    respond: Respond = upper,
    recorded: str | None = None,
    **work: Any,
) -> "Timeline":
    """Put a load on a model or a function of your own, and record what its threads did, call by call.

    `recorded` names the timeline of `data/recorded/lessons` to show where this one cannot be made.
    """
    from iolab.trace import timeline as recording

    def made() -> "Timeline":
        return recording.timeline(model, workload, respond=respond, **work)

    return here_or_recorded(recorded, recording.Timeline, made, model, workload, work)


def check(exercise: str, answer: Callable[..., Any], *, seed: int | None = None) -> "Report":
    """Judge a function or class of your own, and record its points.

    It runs in a process of its own, on cases drawn from the seed, which differ from call to
    call without one.
    """
    from iolab import progress
    from iolab.exercises import find, grade, text_of

    report = grade(exercise, text_of(answer, find(exercise).entry), seed)
    progress.record("exercises", exercise, report.as_dict())
    return report
