"""The machine in general words: enough to judge a recorded run by, and no name of it."""

import os
import platform
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NOISE = re.compile(r"\((?:R|TM)\)|@.*|\b(?:CPU|Processor|\d+-Core)\b", re.IGNORECASE)
"""What processors add to the name of their family."""


@dataclass(frozen=True)
class Machine:
    """What a run was made on."""

    cpu: str
    cpus: int
    memory_gb: int
    kernel: str
    python: str

    def __str__(self) -> str:
        count = "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"
        return f"{count} ({self.cpu}), {self.memory_gb} GB, {self.kernel}, {self.python}"


def machine() -> Machine:
    """Look at this machine; the CPUs are those that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return Machine(
        cpu=cpu_family(_cpu_name()),
        cpus=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        kernel=f"{platform.system()} {kernel_version(platform.release())}",
        python=python,
    )


def cpu_family(name: str) -> str:
    """Return a processor's name without marks, clock rate and number of cores."""
    return " ".join(NOISE.sub(" ", name).split())


def kernel_version(release: str) -> str:
    """Return the numbers of a kernel's release; what follows them names its builder, or the host."""
    numbers = re.match(r"\d+(?:\.\d+)*", release)
    return numbers[0] if numbers else "unknown"


@cache
def clock_step_ns() -> int:
    """Return the shortest step of the clock in a hundred; reading it takes time too."""
    return min(_step_ns() for _ in range(100))


def _step_ns() -> int:
    first_ns = now_ns = time.perf_counter_ns()
    while now_ns == first_ns:
        now_ns = time.perf_counter_ns()
    return now_ns - first_ns


def _cpu_name() -> str:
    try:
        line = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        line = None
    return line[1] if line else platform.machine()
