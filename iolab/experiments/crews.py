"""Servers of several processes in an experiment: on the CPUs of a placement, and waited for until all sleep."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from iolab.background import Server, start
from iolab.errors import LoadFailed
from iolab.listening import Respond
from iolab.measurement.placement import spread
from iolab.models import Model
from iolab.replies import upper
from iolab.workers.apart import Workers

PATIENCE_S, STEP_S = 10.0, 0.0002
"""How long a condition may take to come, and how often it is looked at."""


@contextmanager
def serve(model: Model, workers: int, respond: Respond = upper) -> Iterator[tuple[Server, Workers]]:
    """Start a server with so many workers, which all sleep when the block begins."""
    with start(model, respond, cpu=spread().workers or None, workers=workers) as server:
        assert server.workers
        await_sleep(server.workers)
        yield server, server.workers


def await_sleep(crew: Workers) -> None:
    """Wait until every worker sleeps: what wakes it then is what comes next."""
    pids = crew.pids[1:]
    until(lambda: all(map(sleeps, pids)), "a worker did not fall asleep")


def sleeps(pid: int) -> bool:
    """Say whether a process sleeps, or has ended (`proc_pid_stat(5)`)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("S", "Z"))
    except OSError:
        return True


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait for a condition. Raise LoadFailed if it does not come."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise LoadFailed(f"{otherwise} in {PATIENCE_S:g} s")
        time.sleep(STEP_S)


def ask(address: tuple[str, int], request: bytes) -> None:
    """Connect, ask once, and leave with the reply."""
    with closing(socket.create_connection(address, PATIENCE_S)) as client:
        client.sendall(request)
        client.recv(len(request))


def accepted(crew: Workers) -> list[int]:
    """Return how many connections each worker has had."""
    return [row.connections for row in crew.rows[1:]]


def busiest(counts: Sequence[int]) -> float | None:
    """Return the share of the one that has most; None if nobody has any."""
    return max(counts) / sum(counts) if any(counts) else None
