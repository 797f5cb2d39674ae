"""Who accepts: how connections fall on workers, and who waits when one of these stalls.

Calm: connections come one at a time, each when all workers sleep. Then one worker is sent a request whose reply
sleeps, and meanwhile many connections come at once. On one socket whoever is free takes them. A worker with a socket
of its own leaves those that were drawn for it in its backlog, and so does one to whom they were handed
(Cloudflare, "Why does one NGINX worker take all the load?", 2017).
"""

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median, pstdev
from typing import ClassVar

from iolab.background import Server
from iolab.data.reference import rows_of
from iolab.errors import LoadFailed, ServerFailed
from iolab.experiments.attempt import duration, whole
from iolab.experiments.crews import PATIENCE_S, accepted, ask, await_sleep, busiest, serve, until
from iolab.experiments.result import OnStep, Result, Row, look_up, quiet
from iolab.experiments.shape import Sign, at_least, over
from iolab.measurement.placement import spread
from iolab.models import Model, find
from iolab.workers.apart import Workers

MODELS = ("prefork", "prefork-exclusive", "reuseport", "handoff")
SHARED, OWN = "prefork-exclusive", "reuseport"
STALL, REQUEST = b"stall", b"x"


@dataclass(frozen=True, repr=False)
class Balance(Result):
    """The share of the busiest worker, and the latency of those who connect while one stalls; one row a server."""

    name = "balance"
    title = "who accepts, and who waits when a worker stalls"
    published = "cloudflare-queues"
    keys: ClassVar[dict[str, str]] = {"model": "model"}
    figures: ClassVar[dict[str, str]] = {
        "busiest": "busiest worker's share", "late": "share that waits", "p50_us": "p50 µs", "max_us": "max µs",
        "deviation_us": "deviation µs", "workers": "workers", "stall_us": "",
    }  # fmt: skip

    @property
    def signs(self) -> list[Sign]:
        """Whether one socket is less even, and has the shorter tail."""
        (most, slowest, spread_us), (most_own, slowest_own, spread_own_us) = (
            [self.value(figure, model=model) for figure in ("busiest", "max_us", "deviation_us")]
            for model in (SHARED, OWN)
        )
        there = {
            figure: over(*(look_up(rows_of("cloudflare-queues"), figure, queues=q) for q in ("one each", "shared")))
            for figure in ("max_ms", "deviation_ms")
        }
        slow, scatter = over(slowest_own, slowest), over(spread_own_us, spread_us)
        return [
            at_least("busiest worker's share, one socket over one each", over(most, most_own), 1.5, fails_below=1.1),
            at_least("slowest, one each over one", slow, 1.5, fails_below=1.1, published=there["max_ms"]),
            at_least("deviation, one each over one", scatter, 3, fails_below=1.5, published=there["deviation_ms"]),
        ]


def answer(stall_s: float, request: bytes) -> bytes:
    """Answer in upper case; sleep first if asked to stall."""
    if request == STALL:
        time.sleep(stall_s)
    return request.upper()


def balance(
    workers: int = 4,
    connections: int = 60,
    at_once: int = 20,
    rounds: int = 3,
    stall_s: float = 0.1,
    on_step: OnStep = quiet,
) -> Balance:
    """Open so many connections one by one; then, in each round, `at_once` while one worker stalls for `stall_s`."""
    workers, rounds, stall_s = whole("workers", workers, 2), whole("rounds", rounds, 1), duration(stall_s)
    connections, at_once = whole("connections", connections, 1), whole("at_once", at_once, 1)
    rows = list[Row]()
    for model in map(find, MODELS):
        on_step(f"{model.name}, {workers} workers")
        figures = _figures(model, workers, connections, [at_once] * rounds, stall_s)
        rows.append({"model": model.name, **figures, "workers": workers, "stall_us": stall_s * 1e6})
    return Balance(tuple(rows), str(spread()))


def _figures(model: Model, workers: int, connections: int, bursts: Sequence[int], stall_s: float) -> Row:
    nothing = dict.fromkeys(Balance.figures)
    if reason := model.why_not():
        return {**nothing, "why_not": reason}
    try:
        with serve(model, workers, partial(answer, stall_s)) as (server, crew):
            share = _calm(server, crew, connections)
            waits_us = [wait_us for count in bursts for wait_us in _beside_a_stall(server, crew, count)]
    except (LoadFailed, ServerFailed, OSError) as error:
        return {**nothing, "why_not": str(error)}
    late = sum(wait_us > stall_s * 1e6 / 2 for wait_us in waits_us) / len(waits_us)
    middle, slowest, deviation = (round(f(waits_us), 1) for f in (median, max, pstdev))
    return {
        "busiest": share and round(share, 4), "late": round(late, 4), "p50_us": middle, "max_us": slowest,
        "deviation_us": deviation, "why_not": "",
    }  # fmt: skip


def _calm(server: Server, crew: Workers, connections: int) -> float | None:
    before = accepted(crew)
    for _ in range(connections):
        ask(server.address, REQUEST)
        await_sleep(crew)
    return busiest([now - was for now, was in zip(accepted(crew), before, strict=True)])


def _beside_a_stall(server: Server, crew: Workers, count: int) -> list[float]:
    """Return how long each of so many clients waits for its reply, from its connect on."""
    requests = _requests(crew)
    with ExitStack() as clients:
        stalled = clients.enter_context(socket.create_connection(server.address))
        stalled.sendall(STALL)
        until(lambda: _requests(crew) > requests, "no worker stalled")
        since_ns = {}
        for _ in range(count):
            start_ns = time.perf_counter_ns()
            client = clients.enter_context(socket.create_connection(server.address))
            client.sendall(REQUEST)
            since_ns[client] = start_ns
        waits_us = list(_replies(since_ns))
        stalled.recv(len(STALL))
    until(lambda: not any(row.open for row in crew.rows), "a connection was not closed")
    await_sleep(crew)
    return waits_us


def _replies(since_ns: dict[socket.socket, int]) -> Iterator[float]:
    with selectors.DefaultSelector() as interest:
        for client in since_ns:
            interest.register(client, selectors.EVENT_READ)
        while interest.get_map():
            ready, now_ns = interest.select(PATIENCE_S), time.perf_counter_ns()
            if not ready:
                raise LoadFailed(f"no reply in {PATIENCE_S:g} s")
            for key, _ in ready:
                interest.unregister(key.fileobj)
                yield (now_ns - since_ns[key.fileobj]) / 1e3  # type: ignore[index]  # they are these sockets


def _requests(crew: Workers) -> int:
    return sum(row.requests for row in crew.rows)
