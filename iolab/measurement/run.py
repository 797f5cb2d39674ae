"""One server under one load: `measure`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from iolab.background import Server, runaways, start, used_by_others
from iolab.display import tables
from iolab.display.progress_bar import Tick
from iolab.kernel.interrupts import InOnePiece
from iolab.listening import Respond
from iolab.measurement.adapt import adapt
from iolab.measurement.cpu import CpuClock, CpuSamples, Usage, usage
from iolab.measurement.machine import clock_step_ns
from iolab.measurement.memory import (
    await_free_slab,
    growth_bytes,
    kernel_bytes,
    proportional_bytes,
    resident_bytes,
    settle,
    thread_count,
)
from iolab.measurement.neighbours import Neighbours
from iolab.measurement.placement import Placement, place, spread
from iolab.models import Model
from iolab.replies import upper
from iolab.traffic import exports
from iolab.traffic.doubts import Doubt
from iolab.traffic.process import Client
from iolab.traffic.records import Records
from iolab.traffic.workload import OnTick, Workload
from iolab.workers.apart import Workers
from iolab.workers.ledger import Row

NEIGHBOUR_LIMIT = 0.15
"""Above this share of a core, other processes distort the figures."""

CROWD = 500
"""From this many connections on, what an earlier run left in the kernel would show in its memory."""

COARSE_NS = 1000
"""A clock with longer steps than this cannot time a request of a few microseconds."""


@dataclass(frozen=True, repr=False)
class Run(tables.Readable):
    """One measurement: every request, and the CPU time and memory of the server."""

    model: str
    records: Records
    cpu: CpuSamples
    usage: Usage
    memory_bytes: int
    placement: Placement
    neighbours_share: float | None = None
    """How much of one core other processes took on the CPUs that were used; None where that is unknown."""
    kernel_bytes: Mapping[str, int] = field(default_factory=dict)
    """By how much the kernel's own memory grew, by kind (`measurement.memory.KERNEL`); empty where it does not tell."""
    server_threads: int = 1
    """The most threads that the server had."""
    runaways: Sequence[str] = ()
    """Servers that were stopped before, and still ran beside this one."""
    workers: Sequence[Mapping[str, Any]] = ()
    """What the parent and each worker did in this run, if the server has processes of its own; the parent is first."""
    not_stopped: Mapping[str, float] = field(default_factory=dict)
    """The share of one CPU that each server took which was started before and not stopped."""

    @property
    def cpu_us_per_request(self) -> float | None:
        """CPU time of the server for one request, in microseconds; None if nothing was answered."""
        return round(self.cpu.total_ns / len(self.records) / 1e3, 2) if len(self.records) else None

    @property
    def cpu_share(self) -> float:
        """The share of one CPU that the server used; threads can use more than one."""
        return round(self.cpu.total_ns / self.cpu.wall_ns, 3)

    @property
    def memory_bytes_per_connection(self) -> float:
        """Memory that this process allocated while the connections were open, for each of them.

        The kernel's memory is not in it. A lower bound: a process that held as many
        before has room to spare; the experiment `connection_cost` takes a fresh one each time.
        """
        return self.memory_bytes / self._open

    @property
    def kernel_bytes_per_connection(self) -> float | None:
        """Memory of the kernel for each connection: stacks, slab and page tables; None where it does not tell.

        Both ends of a connection are on this machine, and the slab is that of all its processes.
        """
        parts = [size for name, size in self.kernel_bytes.items() if name != "buffers"]
        return sum(parts) / self._open if parts else None

    @property
    def _open(self) -> int:
        return self.records.workload.connections + self.records.workload.idle

    @property
    def conditions(self) -> str:
        """Where it ran, and whether many threads shared a CPU there, which none but they can feel."""
        if self.server_threads < 2 or self.placement.server is None:
            return str(self.placement)
        return f"{self.placement}; its {self.server_threads:,} threads take turns on CPU {self.placement.server}"

    @property
    def doubts(self) -> list[Doubt]:
        """Reasons to distrust this run: the client's limit, the rate, the neighbours, the clock, the errors."""
        return [*self.records.limits(), *self._surroundings(), *self.records.mistakes()]

    def _surroundings(self) -> Iterator[Doubt]:
        if self.runaways:
            yield Doubt("runaway", {"names": ", ".join(self.runaways)})
        for name, share in self.not_stopped.items():
            if share > NEIGHBOUR_LIMIT:
                yield Doubt("not stopped", {"name": name, "share": round(share, 3)})
        if self.neighbours_share is not None and self.neighbours_share > NEIGHBOUR_LIMIT:
            yield Doubt("busy neighbours", {"share": round(self.neighbours_share, 3)})
        if (step_ns := clock_step_ns()) > COARSE_NS:
            yield Doubt("coarse clock", {"step_us": step_ns / 1e3})

    def summary(self) -> dict[str, Any]:
        """Return the run's figures under the names of the JSON output."""
        return {
            "model": self.model,
            "connections": self.records.workload.connections,
            **self.records.summary(),
            "server_cpu_us_per_request": self.cpu_us_per_request,
            "server_cpu_share": self.cpu_share,
        }

    def frame(self) -> Any:
        """Return a pandas DataFrame with one row a request."""
        return exports.frame(self.records)

    def save(self, path: str) -> None:
        """Write the run to a file: every request (.csv), the summary (.json) or the percentiles (.hgrm)."""
        exports.save(self.records, path)

    def parts(self) -> list[tables.Part]:
        """Return the run as one table."""
        whole = tables.Part([self.summary()], self.conditions, self.doubts)
        return [whole, tables.Part(self.workers, "what each process did")] if self.workers else [whole]


def measure(
    model: Model,
    workload: Workload,
    *,
    respond: Respond = upper,
    pin: bool = True,
    on_tick: OnTick = lambda tick: None,
    on_client: Callable[[Client], None] = lambda client: None,
) -> Run:
    """Start a server in a background thread, put the load on it, and record both.

    `on_tick` gets the progress ten times a second; its cost is CPU time that the server lacks.
    `on_client` gets the load client before the load begins: its `stop` ends the run early, from
    another thread. Raise UsageError if the model or the workload is not possible here.
    """
    workload.require()
    if workload.connections + workload.idle >= CROWD:
        await_free_slab()
    placement, workload = spread(pin) if model.apart else place(pin), adapt(workload, model, respond)
    cpus = placement.workers or placement.server
    with InOnePiece(lambda: start(model, respond, cpu=cpus)) as server:
        with InOnePiece(lambda: Client(server.address, workload, placement.client)) as client:
            on_client(client)
            return observe(server, client, placement, on_tick)


def observe(server: Server, client: Client, placement: Placement, on_tick: OnTick) -> Run:
    """Run a client against a server of this process, reading the server's CPU clock and memory at every tick."""
    settle()
    workers = server.workers
    clock, empty_bytes, empty_kernel = CpuClock(server.others, workers), held_bytes(workers), kernel_bytes()
    threads, still_running = thread_count() - 1, tuple(runaways())
    readings: list[tuple[int, int, int, int]] = []
    kernel: list[dict[str, int]] = []

    def read(tick: Tick | None = None) -> None:
        readings.append((time.perf_counter_ns(), clock.read_ns(), held_bytes(workers), thread_count()))
        kernel.append(growth_bytes(empty_kernel, kernel_bytes()))
        if tick is not None:
            on_tick(tick)

    client.connect()
    before, neighbours = usage(pids_of(workers)), Neighbours(placement.cpus, client.pid, workers)
    rows, others_s = workers.rows if workers else [], used_by_others(server)
    read()
    records = client.run(read)
    read()
    neighbours_share, others_after_s = neighbours.share(), used_by_others(server)
    at_ns, cpu_ns, bytes_, counts = np.array(readings, dtype=np.int64).T
    memory_bytes = max(0, int(bytes_.max()) - empty_bytes)
    cpu = CpuSamples(at_ns, cpu_ns).since(records.start_ns)
    return Run(
        server.name,
        records,
        cpu,
        usage(pids_of(workers)) - before,
        memory_bytes,
        placement,
        neighbours_share,
        kernel_bytes={name: max(each[name] for each in kernel) for name in kernel[0]},
        server_threads=max(1, int(counts.max()) - threads),
        runaways=still_running,
        workers=what_each_did(rows, workers) if workers else (),
        not_stopped={
            name: round(float((used_s - others_s[name]) / (at_ns[-1] - at_ns[0]) * 1e9), 3)
            for name, used_s in others_after_s.items()
            if name in others_s
        },
    )


MANY = 16
"""Of so many processes the memory is read one by one, at every tick; of more it would cost too much."""


def held_bytes(workers: Workers | None) -> int:
    """Return what this process and the workers hold in RAM, shared pages by halves, thirds and so on."""
    pids = pids_of(workers)
    return resident_bytes() + sum(map(proportional_bytes, pids if len(pids) <= MANY else ()))


def pids_of(workers: Workers | None) -> list[int]:
    """Return the processes of the workers that there are now."""
    return workers.pids if workers else []


def what_each_did(before: Sequence[Row], workers: Workers) -> list[dict[str, Any]]:
    """Return what each process did since, as rows of a table: connections in all, the rest in this time alone."""
    after = workers.rows
    earlier = [*before, *(Row() for _ in after[len(before) :])]
    return [
        {
            "process": f"worker {number}" if number else "parent",
            "connections": now.connections,
            "requests": now.requests - was.requests,
            "vain": now.vain,
            "cpu_ms": round((now.cpu_ns - was.cpu_ns) / 1e6, 1),
            "memory_kb": proportional_bytes(now.pid) // 1000 if len(after) <= MANY else None,
            "deaths": now.deaths,
        }
        for number, (was, now) in enumerate(zip(earlier, after, strict=True))
    ]
