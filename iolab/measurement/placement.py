"""Where the server and the client run: on a CPU each, where there are two."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, repr=False)
class Placement:
    """The CPUs of server and client; None where the scheduler chooses."""

    server: int | None
    client: int | None
    why: str = ""
    recorded: str = ""
    """Where and when, if the run was not made here: it stands under every figure."""
    workers: tuple[int, ...] = ()
    """The CPUs that a server of several processes may use."""

    def __repr__(self) -> str:
        return str(self)

    @property
    def cpus(self) -> set[int]:
        """The CPUs that both have for themselves; none where the scheduler chooses among more than one."""
        if self.workers and self.client is not None:
            return {*self.workers, self.client}
        if self.server is not None and self.client is not None:
            return {self.server, self.client}
        usable: set[int] = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        return usable if len(usable) == 1 else set()

    def __str__(self) -> str:
        pinned = f"server on CPU {self.server}, client on CPU {self.client}{self.why}"
        if self.workers:
            pinned = f"workers on CPUs {', '.join(map(str, self.workers))}, client on CPU {self.client}{self.why}"
        here = pinned if self.workers or self.server is not None else f"not pinned: {self.why}"
        return f"{here}; {self.recorded}" if self.recorded else here


def spread(pin: bool = True) -> Placement:
    """Choose the last CPU for the client, and the others for the workers of a server.

    Where there are two, the workers have both: what one of them takes, the client lacks.
    """
    alone = place(pin)
    if alone.server is None:
        return alone
    *others, client = sorted(os.sched_getaffinity(0))
    if len(others) > 1:
        return Placement(None, client, workers=tuple(others))
    return Placement(None, client, ", which they share with it", workers=(*others, client))


def place(pin: bool = True) -> Placement:
    """Choose a CPU for the server and another for the client, on different cores if there are two.

    Unpinned, a round trip flips between 15 and 75 us with the scheduler's mood
    (`sched_setaffinity(2)`), and no two runs compare.
    """
    if not pin:
        return Placement(None, None, "as asked")
    if not hasattr(os, "sched_getaffinity"):
        return Placement(None, None, "this system cannot pin a thread")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        return Placement(None, None, "one CPU for server and client")
    server = cpus[0]
    apart = [cpu for cpu in cpus[1:] if cpu not in siblings(server)]
    return Placement(server, (apart or cpus[1:])[0], "" if apart else ", which share a core")


def siblings(cpu: int) -> set[int]:
    """Return the CPUs that share a core with this one, itself included."""
    try:
        ranges = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return {cpu}
    spans = [tuple(map(int, span.split("-"))) for span in ranges.strip().split(",") if span]
    return {number for span in spans for number in range(span[0], span[-1] + 1)}
