"""Memory and set-up time of an idle connection, up to 10,000 of them, and then a load from all of them.

Every figure comes from a fresh process: in one that has served before, memory that was freed
is taken again, and nothing seems to grow. The kernel's share is the machine's: it holds both ends of
a connection, and what other processes opened meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from iolab.background import start
from iolab.data.reference import rows_of
from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.experiments.attempt import attempt, duration, sizes
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import Sign, at_least, at_most, over
from iolab.measurement.fresh import in_fresh_process
from iolab.measurement.memory import await_free_slab
from iolab.measurement.placement import place
from iolab.measurement.run import Run, observe
from iolab.models import Model, find
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload

MODELS = ("threads", "epoll", "asyncio-protocol", "asyncio")
PATIENCE_S = 120
HELD_S = 0.3
"""How long all are held open: the memory is read at every tick of the load, ten times a second."""

KERNEL = ("kernel_stacks", "slab", "page_tables", "buffers")
LOADED = {
    "per_s": "",
    "p50_us": "",
    "p99_us": "busy p99 µs",
    "max_us": "",
    "server_cpu_us_per_request": "busy µs/req",
    "errors": "",
}
"""What is reported of a load from all connections at once, and the headings of what a table shows."""


@dataclass(frozen=True, repr=False)
class ConnectionCost(Result):
    """Memory and set-up time of a connection, one row a model and number of connections."""

    name = "connection_cost"
    title = "memory and set-up time of a connection"
    published = "c10k-budget"
    keys: ClassVar[dict[str, str]] = {"model": "model", "connections": "connections"}
    figures: ClassVar[dict[str, str]] = {
        "memory_bytes_per_connection": "bytes each",
        "setup_us_per_connection": "set-up µs",
        "kernel_stacks_bytes_per_connection": "stack",
        "slab_bytes_per_connection": "slab",
        "page_tables_bytes_per_connection": "",
        "buffers_bytes_per_connection": "",
        **{f"loaded_{name}": heading for name, heading in LOADED.items()},
    }

    @property
    def signs(self) -> list[Sign]:
        """Whether a thread costs more than an entry in a table, and all fit the budget of the C10K problem."""
        return signs(self.rows, rows_of("c10k-budget"))


def signs(rows: Sequence[Row], published: Sequence[Row]) -> list[Sign]:
    """Compare the memory of the models with one another, and with the budget of a client."""
    thread, entry, task = (memory(rows, model) for model in ("threads", "epoll", "asyncio"))
    budget_kb = look_up(published, "per_client", resource="memory")
    largest = max((each for each in (thread, entry, task) if each), default=None)
    share = over(largest, budget_kb and budget_kb * 1000)
    return [
        at_least("memory of a thread over an entry of epoll", over(thread, entry), 5, fails_below=2),
        at_least("memory of a thread over a task of asyncio", over(thread, task), 1.5, fails_below=1),
        at_most("memory of the dearest over the budget of the C10K problem", share, 1, fails_above=2),
    ]


def memory(rows: Sequence[Row], model: str) -> float | None:
    """Return the memory of a connection where there are most of them."""
    counts = [row["connections"] for row in rows if row["model"] == model and row["memory_bytes_per_connection"]]
    most = max(counts, default=0)
    return look_up(rows, "memory_bytes_per_connection", model=model, connections=most)


def connection_cost(
    connections: Sequence[int] = (100, 1000),
    models: Sequence[str] = MODELS,
    seconds: float = 2.0,
    on_step: OnStep = quiet,
) -> ConnectionCost:
    """Open each number of connections to each model, each time in a fresh process, and leave them idle.

    Then all of them ask for so many `seconds`, each as soon as it has its reply.
    """
    duration(seconds)
    rows, subjects = list[Row](), [find(model) for model in models]
    for count in sizes("connections", connections, 1):
        for model in subjects:
            on_step(f"{model.name}, {count:,} connections")
            row = _in_fresh_process(model, count)
            loaded = {} if row["why_not"] else _in_fresh_process(model, count, seconds)
            rows.append({"model": model.name, "connections": count, **row, **loaded})
    return ConnectionCost(tuple(rows), str(place()))


def _in_fresh_process(model: Model, count: int, seconds: float = 0) -> Row:
    try:
        if seconds:
            return in_fresh_process(load, model.name, count, seconds, patience_s=PATIENCE_S + seconds)
        return in_fresh_process(cost, model.name, count, patience_s=PATIENCE_S)
    except ServerFailed as error:
        return _nothing(str(error))


def cost(name: str, count: int) -> Row:
    """Measure idle connections in this process, which should be fresh, and which is left with the server in it."""
    model = find(name)
    work = Workload(connections=1, idle=count - 1, seconds=HELD_S, patience_s=PATIENCE_S / 2)
    if reason := work.why_not():
        return _nothing(reason)
    # The memory that the very first connection of a process takes is not the others'.
    first = attempt(model, Workload(connections=1, requests=1))
    if isinstance(first, str):
        return _nothing(first)
    run = _run(model, work)
    if isinstance(run, str):
        return _nothing(run)
    return _figures(run, count) if len(run.records) else _nothing("the connection opened last had no reply")


def load(name: str, count: int, seconds: float) -> Row:
    """Have all connections ask, each as soon as it has its reply."""
    run = _run(find(name), Workload(connections=count, seconds=seconds, patience_s=PATIENCE_S / 2))
    if isinstance(run, str):
        return {"why_not": f"under load: {run}"}
    return {f"loaded_{figure}": run.summary()[figure] for figure in LOADED}


def _run(model: Model, work: Workload) -> Run | str:
    await_free_slab()
    placement = place()
    server = start(model, cpu=placement.server)
    try:
        return observe(server, Client(server.address, work, placement.client), placement, lambda tick: None)
    except (UsageError, LoadFailed) as error:
        return str(error)


def _figures(run: Run, count: int) -> Row:
    # The one that asks was opened last: its first reply says that the server has taken on all before it.
    setup_ns = run.records.connect_ns + int(run.records.service_ns[0])
    sizes_bytes = {"memory": run.memory_bytes, **{kind: run.kernel_bytes.get(kind) for kind in KERNEL}}
    each = {
        f"{kind}_bytes_per_connection": None if size is None else size / count for kind, size in sizes_bytes.items()
    }
    figures = each | {"setup_us_per_connection": setup_ns / count / 1e3}
    return {**_nothing(""), **{name: None if value is None else round(value, 1) for name, value in figures.items()}}


def _nothing(why: str) -> Row:
    return {**dict.fromkeys(ConnectionCost.figures), "why_not": why}
