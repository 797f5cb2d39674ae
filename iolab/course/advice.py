"""Which model, when: advice that quotes the figures of this machine."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from iolab.data.reference import rows_of
from iolab.display.tables import Table
from iolab.experiments.core_counts import Cores, speed_up
from iolab.experiments.idle_connections import MANY, MODELS, IdleCost
from iolab.experiments.result import Row
from iolab.measurement.comparison import Comparison
from iolab.measurement.statistics import fewest, judge, pair

Costs = Mapping[str, Sequence[float | None]]
"""CPU time per request of each model, in microseconds, repeat by repeat."""

PAIRS = (
    ("threads", "epoll"), ("asyncio", "selectors"), ("asyncio-protocol", "asyncio"), ("uvloop", "asyncio-protocol"),
    ("twisted", "selectors"), ("tornado", "selectors"), ("io_uring", "epoll"),
)  # fmt: skip
"""What is compared with what; all of them share one correction for many comparisons."""

SELECT_TAKES = 900
"""Idle connections that `select` can still be asked about, beside those that are active."""

NO_VERDICT = "a verdict on any of these ratios takes {needed} repeats, and this was {repeats}: trust wide gaps alone"


def guide(comparison: Comparison, idle: IdleCost) -> Table:
    """Return the decision guide as a table: the situation, what to take, and the measured reason.

    The costs are those of the comparison at its largest number of connections. A row whose
    model was not measured says so, and so does one whose ratio could be chance.
    """
    most = max(comparison.counts)
    costs = {
        model: [run.cpu_us_per_request for run in runs]
        for (model, connections), runs in comparison.groups.items()
        if connections == most and any(run.cpu_us_per_request for run in runs)
    }
    caption = f"Which model, when: by this machine's figures at {most:,} connections"
    return Table(rows(costs, idle), caption, [*too_few(costs)])


def rows(costs: Costs, idle: IdleCost) -> Iterator[dict[str, str]]:
    """Yield the situations, the simplest first."""
    yield row("one client, or one at a time", "blocking", "nothing is simpler, and no other model is needed")
    yield row("tens of clients", "threads", f"plain code, one thread each; {compare_costs(costs, 'threads')}")
    yield row("thousands, most of them silent", "epoll, by itself or under asyncio", growth(idle))
    yield row("a program that does much at once", "asyncio", f"plain code again; {compare_costs(costs, 'asyncio')}")
    yield row(
        "the same, and CPU counts",
        "a Protocol",
        f"no task for each client; asyncio-protocol: {compare_costs(costs, 'asyncio-protocol')}; "
        f"uvloop: {compare_costs(costs, 'uvloop')}",
    )
    yield row(
        "protocols that exist already",
        "twisted, tornado",
        "; ".join(f"{name}: {compare_costs(costs, name)}" for name in ("twisted", "tornado")),
    )
    yield row(
        "files, or many operations at once",
        "io_uring",
        f"completion, of files too, which lesson 06 measures; on sockets {compare_costs(costs, 'io_uring')}",
    )
    yield row("replies that compute", "more processes", "one CPU computes one reply at a time, however it waits")
    yield row("and with eight cores?", "handoff or reuseport (lesson 09)", several_cores(rows_of("cores")))


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


def compare_costs(costs: Costs, model: str) -> str:
    """Say what a request costs with a model and with the one it is compared with, or which was not measured."""
    other = dict(PAIRS)[model]
    missing = [name for name in (model, other) if name not in costs]
    if missing:
        return f"{missing[0]} was not measured here"
    times = pair(costs[model], costs[other])
    if not times:
        return f"{model} and {other} never answered in the same repeat"
    mine, theirs = (median(filter(None, costs[name])) for name in (model, other))
    doubt = " (cannot tell)" if could_be_chance(costs, model) else ""
    return f"a request costs {mine:.1f} µs, {median(times):.2f} times that of {other} ({theirs:.1f} µs){doubt}"


def could_be_chance(costs: Costs, model: str) -> bool:
    """Return whether there were repeats enough for a verdict on a ratio, and it still could be chance."""
    models, ratios = _ratios(costs)
    word = judge(ratios)[models.index(model)].word
    return word == "cannot tell" and not [*too_few(costs)]


def too_few(costs: Costs) -> Iterator[str]:
    """Yield a sentence if there were too few repeats for a verdict on any ratio."""
    _, ratios = _ratios(costs)
    repeats, needed = min(map(len, ratios), default=0), fewest(len(ratios))
    if ratios and repeats < needed:
        yield NO_VERDICT.format(needed=needed, repeats=repeats)


def _ratios(costs: Costs) -> tuple[list[str], list[list[float]]]:
    measured = [(model, other) for model, other in PAIRS if {model, other} <= costs.keys()]
    return [model for model, _ in measured], [pair(costs[model], costs[other]) for model, other in measured]


def growth(idle: IdleCost) -> str:
    """Say what idle connections cost `select`, `poll` and `epoll`, in words."""
    most, grown = grown_with(idle.rows)
    if not {"poll", "epoll"} <= grown.keys():
        return "idle connections could not be measured here"
    return (
        f"with {most:,} idle connections a request costs {grown['epoll']:.1f} times as much by epoll, "
        + " and ".join(f"{grown[name]:.1f} by {name}" for name in ("poll", "select") if name in grown)
    )


def who_pays(idle: IdleCost) -> str:
    """Name those whose request costs more than twice as much beside the most idle connections: "select and poll".

    Where too few connections could be opened to see it, the recorded run speaks.
    """
    most, grown = grown_with(idle.rows)
    if most < MANY or len(grown) < len(MODELS):
        _, grown = grown_with([row for row in rows_of("idle_cost") if row["idle"] <= SELECT_TAKES])
    names = [model for model, times in grown.items() if times > 2]
    return "all three" if len(names) == len(grown) else " and ".join(names) or "none"


def grown_with(rows: Sequence[Mapping[str, float | str]]) -> tuple[int, dict[str, float]]:
    """Return the most idle connections, and how many times as much a request costs beside them, model by model."""
    cost = {(str(row["model"]), int(row["idle"])): float(row["cpu_us_per_request"] or 0) for row in rows}
    most = max((idle for (_, idle), us in cost.items() if us), default=0)
    names = dict.fromkeys(model for model, _ in cost)
    both = {model: (cost.get((model, most), 0.0), cost.get((model, 0), 0.0)) for model in names}
    return most, {model: many / few for model, (many, few) in both.items() if most and many and few}
