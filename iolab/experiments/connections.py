"""Memory and set-up time of an idle connection, up to 10,000 of them.

Every figure comes from a fresh process: in one that has served before, memory that was freed
is taken again, and nothing seems to grow. What the sockets take in the kernel is not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from iolab.background import start
from iolab.data.reference import rows_of
from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.experiments.attempt import attempt, sizes
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import Sign, at_least, at_most, over
from iolab.measurement.fresh import in_fresh_process
from iolab.measurement.placement import place
from iolab.measurement.run import Run, observe
from iolab.models import Model, find
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload

MODELS = ("threads", "epoll", "asyncio-protocol", "asyncio")
PATIENCE_S = 60
HELD_S = 0.3
"""How long all are held open: the memory is read at every tick of the load, ten times a second."""


@dataclass(frozen=True)
class ConnectionCost(Result):
    """Memory and set-up time of a connection, one row a model and number of connections."""

    name = "connection_cost"
    title = "memory and set-up time of a connection"
    published = "c10k-budget"
    keys: ClassVar[dict[str, str]] = {"model": "model", "connections": "connections"}
    figures: ClassVar[dict[str, str]] = {
        "memory_bytes_per_connection": "bytes each",
        "setup_us_per_connection": "set-up µs each",
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
    connections: Sequence[int] = (100, 1000), models: Sequence[str] = MODELS, on_step: OnStep = quiet
) -> ConnectionCost:
    """Open each number of connections to each model, each time in a fresh process, and leave them idle."""
    rows, subjects = list[Row](), [find(model) for model in models]
    for count in sizes("connections", connections, 1):
        for model in subjects:
            on_step(f"{model.name}, {count:,} connections")
            rows.append({"model": model.name, "connections": count, **_in_fresh_process(model, count)})
    return ConnectionCost(tuple(rows), str(place()))


def _in_fresh_process(model: Model, count: int) -> Row:
    try:
        return in_fresh_process(cost, model.name, count, patience_s=PATIENCE_S)
    except ServerFailed as error:
        return _nothing(str(error))


def cost(name: str, count: int) -> Row:
    """Measure in this process, which should be fresh, and which is left with the server in it."""
    model = find(name)
    work = Workload(connections=1, idle=count - 1, seconds=HELD_S, patience_s=PATIENCE_S / 2)
    if reason := work.why_not():
        return _nothing(reason)
    # The memory that the very first connection of a process takes is not the others'.
    first = attempt(model, Workload(connections=1, requests=1))
    if isinstance(first, str):
        return _nothing(first)
    placement = place()
    server = start(model, cpu=placement.server)
    try:
        run = observe(server, Client(server.address, work, placement.client), placement, lambda tick: None)
    except (UsageError, LoadFailed) as error:
        return _nothing(str(error))
    return _figures(run, count) if len(run.records) else _nothing("the connection opened last had no reply")


def _figures(run: Run, count: int) -> Row:
    # The one that asks was opened last: its first reply says that the server has taken on all before it.
    setup_ns = run.records.connect_ns + int(run.records.service_ns[0])
    figures = (run.memory_bytes_per_connection, setup_ns / count / 1e3)
    return dict(zip(ConnectionCost.figures, (round(each, 1) for each in figures), strict=True)) | {"why_not": ""}


def _nothing(why: str) -> Row:
    return {**dict.fromkeys(ConnectionCost.figures), "why_not": why}
