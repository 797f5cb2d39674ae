"""The thundering herd: how many processes wake for one connection, and what that costs.

Workers wait in epoll on one listening socket. Connections come one at a time, each when all workers sleep, so that
whatever wakes has woken for it. The kernel counts: a process that sleeps gives up its CPU (voluntary switches,
`proc_pid_status(5)`), so as often it was woken. A worker whose accept finds nothing is counted in the ledger. Most
that come too late are not: epoll_wait looks at the socket once more, finds it empty, and lets them sleep on.
"""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from iolab.data.reference import rows_of
from iolab.errors import LoadFailed, ServerFailed
from iolab.experiments.attempt import sizes, whole
from iolab.experiments.crews import accepted, await_sleep, serve, until
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import Sign, at_least, at_most, over
from iolab.measurement.cpu import usage_of
from iolab.measurement.placement import spread
from iolab.models import Model, find
from iolab.workers.apart import Workers

ALL, ONE = "prefork", "prefork-exclusive"
"""The server whose workers all wait in the plain way, and the one with EPOLLEXCLUSIVE."""


@dataclass(frozen=True, repr=False)
class Herd(Result):
    """Wake-ups, accepts in vain and CPU time for one connection, one row a server and number of workers."""

    name = "herd"
    title = "processes woken for one connection"
    published = "epollexclusive"
    keys: ClassVar[dict[str, str]] = {"model": "model", "workers": "workers"}
    figures: ClassVar[dict[str, str]] = {
        "wake_ups": "wake-ups/connection", "vain": "accepts in vain/connection", "cpu_us": "CPU µs/connection",
    }  # fmt: skip

    @property
    def signs(self) -> list[Sign]:
        """Whether all wake without EPOLLEXCLUSIVE, and one with it, and what that costs."""
        most = max((row["workers"] for row in self.rows), default=0)
        (woken, cost), (woken_one, cost_one) = (
            (self.value("wake_ups", model=model, workers=most), self.value("cpu_us", model=model, workers=most))
            for model in (ALL, ONE)
        )
        times = over(*(look_up(rows_of("epollexclusive"), "run_s", flag=flag) for flag in ("without", "with")))
        return [
            at_least("wake-ups over workers, without EPOLLEXCLUSIVE", over(woken, most), 0.8, fails_below=0.5),
            at_most("wake-ups with EPOLLEXCLUSIVE", woken_one, 1.5, fails_above=2.5),
            at_least("cost without it over cost with it", over(cost, cost_one), 1.3, fails_below=1, published=times),
        ]


def herd(workers: Sequence[int] = (2, 4, 8), connections: int = 60, on_step: OnStep = quiet) -> Herd:
    """Open so many connections to each server with each number of workers, one at a time."""
    counts, connections = sizes("workers", workers, 1), whole("connections", connections, 1)
    rows = list[Row]()
    for count in counts:
        for model in map(find, (ALL, ONE)):
            on_step(f"{model.name}, {count} workers")
            rows.append({"model": model.name, "workers": count, **_figures(model, count, connections)})
    return Herd(tuple(rows), str(spread()))


def _figures(model: Model, count: int, connections: int) -> Row:
    nothing = dict.fromkeys(Herd.figures)
    if reason := model.why_not():
        return {**nothing, "why_not": reason}
    try:
        with serve(model, count) as (server, crew):
            return {**_count(server.address, crew, connections), "why_not": ""}
    except (LoadFailed, ServerFailed, OSError) as error:
        return {**nothing, "why_not": str(error)}


def _count(address: tuple[str, int], crew: Workers, connections: int) -> Row:
    before, first = _totals(crew), sum(accepted(crew))
    with ExitStack() as clients:
        for number in range(1, connections + 1):
            clients.enter_context(socket.create_connection(address))
            until(lambda: sum(accepted(crew)) == first + number, "a connection was not accepted")  # noqa: B023  in this round
            await_sleep(crew)
        after = _totals(crew)
    wake_ups, vain, cpu_ns = ((now - was) / connections for now, was in zip(after, before, strict=True))
    return {"wake_ups": round(wake_ups, 3), "vain": round(vain, 3), "cpu_us": round(cpu_ns / 1e3, 2)}


def _totals(crew: Workers) -> tuple[int, int, int]:
    rows = crew.rows[1:]
    switches = sum(usage_of(row.pid).voluntary_switches for row in rows)
    return switches, sum(row.vain for row in rows), sum(row.cpu_ns for row in rows)
