"""What a lesson calls: the package's functions, with a progress bar around those that take time.

This is the door. A name or a function becomes a Model here, options become a Workload, and what neither
can be is refused; below, nothing asks again. numpy takes 0.1 s to import, so it is imported by the first
call that needs it.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack

from iolab import background
from iolab.archive.fallback import here_or_recorded
from iolab.background import Server
from iolab.display.progress_bar import progress_bar
from iolab.errors import UsageError, guard, require_list, unknown
from iolab.listening import ListeningSocket, Respond, require_address
from iolab.models import Serve, choose, resolve
from iolab.replies import require_reply, upper
from iolab.traffic.workload import Limits, Load, Work, Workload, workload_of

if TYPE_CHECKING:
    from iolab.exercises import Report
    from iolab.measurement.comparison import Comparison
    from iolab.measurement.run import Run
    from iolab.trace.timeline import Timeline
    from iolab.traffic.records import Records

Options = ParamSpec("Options")
Result = TypeVar("Result")
OPTION = inspect.Parameter.KEYWORD_ONLY


def with_options(function: Callable[Options, Result]) -> Callable[Options, Result]:
    """Let a signature list the options that `**work` stands for, and answer a wrong one with the nearest."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    names = {each.name for each in own}
    work = [
        inspect.Parameter(field.name, OPTION, default=field.default, annotation=field.type)
        for field in fields(Workload)
        if len(own) < len(signature.parameters) and field.name not in names
    ]
    allowed = names | {each.name for each in work}

    call = guard(function)

    @wraps(function)
    def checked_call(*arguments: Options.args, **options: Options.kwargs) -> Result:
        for name in options:
            if name not in allowed:
                raise unknown("option", name, sorted(allowed))
        return call(*arguments, **options)

    vars(checked_call)["__signature__"] = signature.replace(parameters=[*own, *work])
    return checked_call


@with_options
def start(
    model: str | Serve,
    respond: Respond = upper,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    expose: bool = False,
    listening: ListeningSocket | None = None,
    cpu: int | None = None,
    workers: int | None = None,
) -> Server:
    """Start a server in a background thread, and return it.

    `model` is a name of MODELS or a `serve(listening, respond)` of your own; `cpu` pins
    its thread (`sched_setaffinity(2)`); a listening socket of your own takes the place of
    host and port; `workers` is how many processes a server keeps that forks them. Raise
    UsageError for a model that cannot run here or an address that cannot be listened on.
    """
    require_reply(respond)
    if workers is not None:
        workers = int(Limits(int, least=1).settle("workers", workers))
    where: dict[str, Any] = {"host": host, "port": port, "expose": expose, "listening": listening, "cpu": cpu}
    return background.start(resolve(model), respond, workers=workers, **where)


@with_options
def measure(
    model: str | Serve,
    workload: Workload | None = None,
    *,
    respond: Respond = upper,
    pin: bool = True,
    recorded: str | None = None,
    **work: Unpack[Work],
) -> "Run":
    """Start a server in a background thread, put a load on it, and record both.

    `work` spells a Workload out: `measure("epoll", connections=10, seconds=1)`. `recorded` names the run
    of `data/recorded/lessons` to show where this one cannot be made.
    """
    from iolab.measurement import run

    subject, load = resolve(model), workload_of(workload, work)
    require_reply(respond)

    def make() -> "Run":
        with progress_bar() as show:
            return run.measure(subject, load, respond=respond, pin=pin, on_tick=lambda tick: show(subject.name, tick))

    return here_or_recorded(recorded, run.Run, make, subject.why_not() or load.why_not())


@with_options
def load(address: tuple[str, int], workload: Workload | None = None, **work: Unpack[Work]) -> "Records":
    """Put a load on a server that runs already, and return the record of every request."""
    from iolab.traffic import process

    require_address(address)
    with progress_bar() as show:
        return process.load(address, workload_of(workload, work), on_tick=lambda tick: show("load", tick))


@with_options
def compare(
    models: Iterable[str | Serve] = (),
    connections: Iterable[int] = (10,),
    *,
    repeats: int = 1,
    baseline: str | Serve | None = None,
    order_seed: int | None = None,
    fresh: bool = False,
    respond: Respond = upper,
    pin: bool = True,
    **work: Unpack[Load],
) -> "Comparison":
    """Measure each model at each number of connections, taking turns; without models, all that run here.

    Of those given, the ones that do. All are held against `baseline`: without one `epoll`, or else the first.
    The order is drawn anew in every repeat, the same for the same `order_seed`. `fresh` makes each run in a process
    of its own. Raise UsageError for what is no model, if none is left, and for a baseline that is not among them.
    """
    from iolab.measurement import comparison

    subjects, workloads = choose(models), workloads_of(connections, work)
    require_reply(respond)
    repeats = int(Limits(int, least=1).settle("repeats", repeats))
    with progress_bar() as show:
        return comparison.compare(
            subjects,
            workloads,
            repeats=repeats,
            baseline=baseline if baseline is None or isinstance(baseline, str) else resolve(baseline).name,
            order_seed=None if order_seed is None else int(order_seed),
            fresh=fresh,
            respond=respond,
            pin=pin,
            on_run=lambda model, count, tick: show(f"{model} @{count}", tick),
        )


def workloads_of(connections: Iterable[int], work: Load) -> list[Workload]:
    """Return a workload for each number of connections; raise UsageError if one is wrong, or there is none."""
    require_list(connections, "numbers of connections in a list, such as [10]")
    workloads = [Workload(connections=count, **work) for count in connections]
    if not workloads:
        raise UsageError("expected at least one number of connections, such as [10], not an empty list")
    return workloads


@with_options
def timeline(
    model: str | Serve,
    workload: Workload | None = None,
    *,
    respond: Respond = upper,
    steps: bool = False,
    worker: int | None = None,
    recorded: str | None = None,
    **work: Unpack[Work],
) -> "Timeline":
    """Put a load on a model or a function of your own, and record what its threads did, call by call.

    `steps` asks for the steps of the kernel as well, which takes root. Of a server with workers, `worker` says which
    one to record: the first is 1. `recorded` names the timeline of
    `data/recorded/lessons` to show where this one cannot be made.
    """
    from iolab.kernel import tracepoints
    from iolab.trace import timeline as trace

    subject, load = resolve(model), workload_of(workload, work)
    require_reply(respond)

    def make() -> "Timeline":
        return trace.timeline(subject, load, respond=respond, steps=steps, worker=worker)

    refused = subject.why_not() or load.why_not() or (tracepoints.why_not() if steps else None)
    return here_or_recorded(recorded, trace.Timeline, make, refused)


@guard
def check(exercise: str, answer: Callable[..., Any], *, seed: int | None = None) -> "Report":
    """Judge a function or class of your own, and record its points.

    It runs in a process of its own, on cases drawn from the seed, which differ from call to
    call without one.
    """
    from iolab import progress
    from iolab.exercises import find, grade, text_of

    report = grade(exercise, text_of(answer, find(exercise).entry), None if seed is None else int(seed))
    progress.record_or_warn("exercises", exercise, report.as_dict())
    return report
