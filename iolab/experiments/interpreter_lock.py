"""What the GIL costs a server: alone, with its client in the same process, beside one computing thread.

A thread that computes gives up the GIL only when asked, every 5 ms (`sys.setswitchinterval`).
A server asks after each system call, so each of its requests waits several times.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, ClassVar

import numpy as np

from iolab.background import start
from iolab.errors import LoadFailed
from iolab.experiments import lockstep
from iolab.experiments.attempt import duration, first_that_runs
from iolab.experiments.result import OnStep, Result, Row, quiet
from iolab.experiments.shape import Sign, at_least, missing, over
from iolab.kernel import threads
from iolab.kernel.interrupts import InOnePiece, run
from iolab.measurement.machine import free_threaded
from iolab.measurement.placement import place
from iolab.models import Model
from iolab.traffic.records import percentile_us

ALONE, TOGETHER, BESIDE = "client in its own process", "client in the server's process", "beside one computing thread"
CASES = (ALONE, TOGETHER, BESIDE)
Work = tuple[int, float, int | None]


@dataclass(frozen=True, repr=False)
class Gil(Result):
    """Requests per second and latency, one row a case."""

    name = "gil"
    title = "one server and the GIL"
    keys: ClassVar[dict[str, str]] = {"case": "case"}
    figures: ClassVar[dict[str, str]] = {"per_s": "req/s", "p50_us": "p50 µs", "p99_us": "p99 µs"}

    @property
    def signs(self) -> list[Sign]:
        """Whether the server gets slower by sharing its GIL.

        By requests per second: the latency of those that get through in one turn of the GIL does not tell.
        """
        alone, together, beside = (self.value("per_s", case=case) for case in (ALONE, TOGETHER, BESIDE))
        why = next((row["why_not"] for row in self.rows if row["case"] == BESIDE and row["why_not"]), "")
        slower = "req/s alone over req/s beside a computing thread"
        return [
            missing(slower, why) if why else at_least(slower, over(alone, beside), 10, fails_below=3),
            at_least("req/s alone over req/s with the client inside", over(alone, together), 1.1, fails_below=0.9),
        ]


def gil(connections: int = 10, seconds: float = 0.7, on_step: OnStep = quiet) -> Gil:
    """Ask one server in three cases, `seconds` each."""
    duration(seconds)
    placement, rows = place(), list[Row]()
    model = first_that_runs(("epoll", "poll", "select"))
    for case in CASES:
        on_step(f"{model.name}, {case}")
        work = (connections, seconds, placement.client)
        rows.append(_row(case, seconds, _times_ns(case, model, placement.server, work)))
    return Gil(tuple(rows), str(placement))


def _times_ns(case: str, model: Model, cpu: int | None, work: Work) -> list[int] | str:
    if case == BESIDE and free_threaded():
        return "this Python has no GIL"
    with InOnePiece(computing if case == BESIDE else nullcontext), InOnePiece(lambda: start(model, cpu=cpu)) as server:
        try:
            return _in_thread(server.address, *work) if case == TOGETHER else _in_process(server.address, *work)
        except LoadFailed as error:
            return str(error)


def _row(case: str, seconds: float, times_ns: list[int] | str) -> Row:
    if isinstance(times_ns, str):
        return {"case": case, **dict.fromkeys(Gil.figures), "why_not": times_ns}
    times = np.array(times_ns)
    p50_us, p99_us = (percentile_us(times, percent) for percent in (50, 99))
    return {"case": case, "per_s": round(len(times) / seconds, 1), "p50_us": p50_us, "p99_us": p99_us, "why_not": ""}


@contextmanager
def computing() -> Iterator[None]:
    """Let one thread of this process compute for as long as the block lasts."""
    done = Event()

    def compute() -> None:
        while not done.is_set():
            sum(range(1000))

    thread = Thread(target=compute, name="iolab computing", daemon=True)
    threads.start(thread)
    try:
        yield
    finally:
        done.set()
        thread.join()


def _in_thread(address: tuple[str, int], *work: Any) -> list[int]:
    answers: list[list[int]] = []
    errors: list[OSError] = []

    def ask() -> None:
        try:
            answers.append(lockstep.ask(address, *work))
        except OSError as error:
            errors.append(error)

    thread = Thread(target=ask, name="iolab client", daemon=True)
    threads.start(thread)
    thread.join()
    if errors:
        raise LoadFailed(f"the client ended: {errors[0]}")
    return answers[0]


def _in_process(address: tuple[str, int], *work: Any) -> list[int]:
    command = [sys.executable, "-I", "-S", lockstep.__file__, json.dumps([address, *work])]
    child = run(command)
    if child.returncode:
        says = child.stderr.decode(errors="replace").strip().splitlines()
        raise LoadFailed(f"the client ended: {says[-1] if says else 'it said nothing'}")
    answers: list[int] = json.loads(child.stdout)
    return answers
