"""Which model, when: advice that quotes the figures of this machine."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from iolab.data.reference import rows_of
from iolab.display.tables import Table
from iolab.experiments.core_counts import Cores, speed_up
from iolab.experiments.idle_connections import IdleCost
from iolab.experiments.result import Row
from iolab.measurement.comparison import Comparison
from iolab.measurement.statistics import pair

Costs = Mapping[str, Sequence[float | None]]
"""CPU time per request of each model, in microseconds, repeat by repeat."""

PROTOCOL = "a Protocol, on a loop in C"
COMPLETION = "completion, of files too, which lesson 06 measures"


def guide(comparison: Comparison, idle: IdleCost) -> Table:
    """Return the decision guide as a table: the situation, what to take, and the measured reason.

    The costs are those of the comparison at its largest number of connections. A row whose
    model was not measured says so.
    """
    most = max(comparison.counts)
    costs = {
        model: [run.cpu_us_per_request for run in runs]
        for (model, connections), runs in comparison.groups.items()
        if connections == most and any(run.cpu_us_per_request for run in runs)
    }
    return Table(rows(costs, idle), f"Which model, when: by this machine's figures at {most:,} connections")


def rows(costs: Costs, idle: IdleCost) -> Iterator[dict[str, str]]:
    """Yield the situations, the simplest first."""
    yield row("one client, or one at a time", "blocking", "nothing is simpler, and no other model is needed")
    yield row("tens of clients", "threads", against(costs, "threads", "epoll", "one thread each, plain code"))
    yield row("thousands, most of them silent", "selectors (epoll)", growth(idle))
    yield row("a program with many tasks", "asyncio", against(costs, "asyncio", "selectors", "plain code again"))
    yield row("the same, and CPU counts", "uvloop", against(costs, "uvloop", "asyncio-protocol", PROTOCOL))
    yield row("protocols that exist already", "twisted, tornado", libraries(costs, "selectors"))
    yield row("files, or many operations at once", "io_uring", against(costs, "io_uring", "epoll", COMPLETION))
    yield row("replies that compute", "processes", "one Python thread computes at a time: no model of waiting helps")
    yield row("and with eight cores?", "handoff, reuseport", several_cores(rows_of("cores")))


def several_cores(recorded: Sequence[Row]) -> str:
    """Say what a process for each core gave in a recorded run, and what a model makes of that with eight."""
    run, each = Cores(tuple(recorded), ""), "a process for each core, as lesson 09 measures"
    gain = run.value("times", work_us=run.work_us, model="handoff", workers=run.cores)
    threads, serial = run.value("times", work_us=run.work_us, model="threads"), run.serial(run.work_us)
    if gain is None or threads is None or serial is None:
        return each
    return (
        f"{each}; in a recorded run {run.cores} workers made {gain:.2f} times the replies of one epoll, and threads "
        f"{threads:.2f} times; 8 would make {speed_up(serial, 8):.1f} times, by Amdahl's model"
    )


def row(situation: str, take: str, because: str) -> dict[str, str]:
    """Return one row of the guide."""
    return {"you have": situation, "take": take, "because here": because}


def against(costs: Costs, model: str, other: str, also: str) -> str:
    """Compare the cost of one model with that of another, in words."""
    return f"{also}; {compare_costs(costs, model, other)}"


def libraries(costs: Costs, other: str) -> str:
    """Compare the costs of the libraries with that of a model, one by one."""
    names = ("twisted", "tornado")
    missing = [f"{name} was not measured here" for name in names if name not in costs]
    return "; ".join([*(f"{name}: {compare_costs(costs, name, other)}" for name in names if name in costs), *missing])


def compare_costs(costs: Costs, model: str, other: str) -> str:
    """Say what a request costs with each of two models, or which of them was not measured."""
    missing = [name for name in (model, other) if name not in costs]
    if missing:
        return f"{missing[0]} was not measured here"
    times = pair(costs[model], costs[other])
    if not times:
        return f"{model} and {other} never answered in the same repeat"
    mine, theirs = (median(filter(None, costs[name])) for name in (model, other))
    return f"a request costs {mine:.1f} µs, {median(times):.2f} times that of {other} ({theirs:.1f} µs)"


def growth(idle: IdleCost) -> str:
    """Say what idle connections cost `poll` and `epoll`, in words."""
    most = max((row["idle"] for row in idle.rows if row["cpu_us_per_request"]), default=0)
    few, many = (
        {row["model"]: row["cpu_us_per_request"] for row in idle.rows if row["idle"] == count} for count in (0, most)
    )
    grown = {model: many[model] / few[model] for model in many if many.get(model) and few.get(model)}
    if not most or not {"poll", "epoll"} <= grown.keys():
        return "idle connections could not be measured here"
    return (
        f"with {most:,} idle connections a request costs {grown['epoll']:.1f} times as much by epoll, "
        f"and {grown['poll']:.1f} times as much by poll"
    )
