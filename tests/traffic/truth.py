"""What the server of known delay says that it did, beside what the client says that it saw."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iolab.measurement.placement import Placement, place
from iolab.traffic.process import load
from iolab.traffic.records import Nanoseconds, Records
from iolab.traffic.workload import Workload

SERVER = Path(__file__).with_name("delayed.py")
ROOT = SERVER.parent.parent.parent
STALL = -1


@dataclass(frozen=True)
class Truth:
    """The requests of a run, matched: what the client recorded, and when each arrived and was answered there."""

    records: Records
    arrived_ns: Nanoseconds
    replied_ns: Nanoseconds
    stall_ns: tuple[int, int] | None

    @property
    def delay_ns(self) -> Nanoseconds:
        """How long the server took, by its own clock, in the order of the records."""
        return self.replied_ns - self.arrived_ns


def measured(delays_s: list[float], stall_at_s: float = 0, stall_for_s: float = 0, **work: Any) -> Truth:
    """Load a server of these delays, and match what both sides wrote down."""
    placement = place()
    told = {"delays_s": delays_s, "stall_at_s": stall_at_s, "stall_for_s": stall_for_s, "cpu": server_cpu(placement)}
    command = [sys.executable, str(SERVER), json.dumps(told)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        records = load(("127.0.0.1", port), Workload(**work), cpu=placement.client)
        written, _ = server.communicate()
    assert records.errors == {}
    rows = np.frombuffer(written, np.int64).reshape(-1, 3)
    stalls = rows[rows[:, 0] == STALL]
    return matched(records, rows[rows[:, 0] != STALL], (int(stalls[0][1]), int(stalls[0][2])) if len(stalls) else None)


def server_cpu(placement: Placement) -> int:
    """Return the server's CPU, or the one that is shared."""
    return min(os.sched_getaffinity(0)) if placement.server is None else placement.server


def matched(records: Records, rows: NDArray[np.int64], stall_ns: tuple[int, int] | None) -> Truth:
    """Match requests by their connection and their turn on it; both sides number connections in order."""
    assert len(rows) == len(records)
    here, there = (np.argsort(numbers, kind="stable") for numbers in (records.connection, rows[:, 0]))
    assert (records.connection[here] == rows[there, 0]).all()
    arrived_ns, replied_ns = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    arrived_ns[here], replied_ns[here] = rows[there, 1], rows[there, 2]
    return Truth(records, arrived_ns, replied_ns, stall_ns)


def deviation(times_ns: NDArray[Any], truth_ns: NDArray[Any], percent: float) -> float:
    """Return by how much a percentile misses the truth, as a part of what it may: 3 % or 50 us, the larger."""
    found, true = np.percentile(times_ns, percent), np.percentile(truth_ns, percent)
    return float(abs(found - true) / max(0.03 * true, 50_000))
