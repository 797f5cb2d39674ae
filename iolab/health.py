"""What this machine can do, and why not."""

import os
import platform
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iolab.display import tables
from iolab.errors import guard
from iolab.kernel import descriptors, switches, timestamps, tracepoints
from iolab.listening import listen
from iolab.measurement.machine import clock_step_ns, free_threaded, interrupts_apart
from iolab.measurement.placement import place, spread
from iolab.models import MODELS


@dataclass(frozen=True, repr=False)
class Finding:
    """One thing that the doctor looks at: what it is, and what that means for the course."""

    what: str
    value: str
    means: str = ""

    def __repr__(self) -> str:
        return f"{self.what}: {self.value}{f' ({self.means})' if self.means else ''}"


@dataclass(frozen=True, repr=False)
class Checkup(tables.Readable):
    """The doctor's findings: the machine, and for every model whether it runs and why not."""

    findings: tuple[Finding, ...]
    models: tuple[dict[str, Any], ...]

    def parts(self) -> list[tables.Part]:
        """Return two tables: the machine, and the models, together where one sentence does for them."""
        names: dict[str, list[str]] = {}
        for row in self.models:
            names.setdefault("yes" if row["runs"] else f"no: {row['why_not']}", []).append(row["model"])
        models = [{"models": ", ".join(each), "run here": answer} for answer, each in names.items()]
        machine = [{"this machine": each.what, "has": each.value, "so": each.means} for each in self.findings]
        return [tables.Part(machine), tables.Part(models)]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the JSON output has it."""
        return {
            "findings": [vars(finding) for finding in self.findings],
            "models": list(self.models),
        }


@guard
def doctor() -> Checkup:
    """Look at the machine; this takes a few milliseconds and changes nothing."""
    models = [
        {"model": name, "runs": (reason := model.why_not()) is None, "why_not": reason}
        for name, model in MODELS.items()
    ]
    looks = (_python, _system, _cpus, _workers, _threads, _interrupts, _descriptors, _clock, _stamps, _switches, _steps)
    return Checkup((*(look() for look in looks), *_loopback()), tuple(models))


def _python() -> Finding:
    means = "one thread runs Python at a time; a free-threaded build, such as python3.14t, would run as many as CPUs"
    if free_threaded():
        means = "no GIL: threads may run Python at the same time"
    return Finding("Python", platform.python_version(), means)


def _system() -> Finding:
    means = "" if sys.platform == "linux" else "epoll, signals with a descriptor, aio and io_uring need Linux"
    return Finding("system", f"{platform.system()} {platform.release()}", means)


def _loopback() -> Iterator[Finding]:
    """Yield a finding where nothing can be sent to 127.0.0.1, as in a network namespace that is new."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("127.0.0.1", 9))  # of UDP it sends nothing, and looks for a way
        except OSError as error:
            means = f"no client reaches a server: {error.strerror}; `ip link set lo up` ends that"
            yield Finding("loopback", "down", means)


def _cpus() -> Finding:
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return Finding("CPUs", str(count), f"{place()}")


def _workers() -> Finding:
    placement = spread()
    count = len(placement.workers)
    if count < 2:
        return Finding("workers of a server", "1", f"more would take turns: {placement.why or 'there is one CPU'}")
    means = "one for each CPU but the client's"
    if placement.client in placement.workers:
        means = f"one for each CPU; the client takes its share of one, so {count} times the replies of one is the most"
    return Finding("workers of a server", str(count), means)


def _threads() -> Finding:
    cpu = place().server
    if cpu is None:
        return Finding("threads of a server", "not pinned", "runs on different CPUs do not compare")
    means = "they take turns: what many threads could do at once, in the kernel or without a GIL, is not shown"
    return Finding("threads of a server", f"all on CPU {cpu}", means)


def _interrupts() -> Finding:
    apart = interrupts_apart()
    value = {None: "unknown", True: "accounted apart", False: "accounted to threads"}[apart]
    means = {
        None: "no file tells whether CPU time holds that of interrupts (CONFIG_IRQ_TIME_ACCOUNTING)",
        True: "CPU time leaves out packets that a softirq takes in: compare no µs with machines that count them",
        False: "CPU time holds packets that a softirq takes in, on loopback those that a thread sends",
    }[apart]
    return Finding("interrupts", value, means)


def _descriptors() -> Finding:
    most = descriptors.most_connections()
    means = "" if most >= 10_000 else "the runs with 10,000 connections show the recorded run instead"
    return Finding("connections", f"up to {most:,}", means)


def _clock() -> Finding:
    step_ns = clock_step_ns()
    return Finding("clock", f"{step_ns} ns a step", "" if step_ns < 1000 else "latencies under 10 µs are guesses here")


def _stamps() -> Finding:
    with listen() as probe:
        stamped = timestamps.enable(probe)
    means = (
        "the two phases of a recv can be told apart" if stamped else "the timeline draws a wait and its copy as one bar"
    )
    return Finding("receive stamps", "yes" if stamped else "no", means)


def _switches() -> Finding:
    why_not = switches.why_not()
    means = why_not or "a timeline tells asleep, waking and running apart"
    return Finding("thread switches", "no" if why_not else "yes", means)


def _steps() -> Finding:
    why_not = tracepoints.why_not()
    return Finding("the kernel's steps", "no" if why_not else "yes", why_not or "`steps=True` adds them to a timeline")
