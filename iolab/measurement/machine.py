"""The machine in general words: enough to judge a recorded run by, and no name of it."""

import gzip
import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from iolab.display.units import count

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
        return f"{count(self.cpus, 'CPU')} ({self.cpu}), {self.memory_gb} GB, {self.kernel}, {self.python}"


def machine() -> Machine:
    """Look at this machine; the CPUs are those that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    kernel = f"{platform.system()} {kernel_version(platform.release())}"
    return Machine(
        cpu=cpu_family(_cpu_name()),
        cpus=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_gb=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        kernel=f"{kernel}, interrupts apart" if interrupts_apart() else kernel,
        python=f"{python}, free-threaded" if free_threaded() else python,
    )


def cpu_family(name: str) -> str:
    """Return a processor's name without marks, clock rate and number of cores."""
    return " ".join(NOISE.sub(" ", name).split())


def kernel_version(release: str) -> str:
    """Return the numbers of a kernel's release; what follows them names its builder, or the host."""
    numbers = re.match(r"\d+(?:\.\d+)*", release)
    return numbers[0] if numbers else "unknown"


def free_threaded() -> bool:
    """Say whether threads run Python at the same time: this process has no GIL (PEP 703)."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


@cache
def interrupts_apart(root: Path = Path("/")) -> bool | None:
    """Say whether the kernel keeps the time of interrupts out of that of threads; None where no file tells.

    With CONFIG_IRQ_TIME_ACCOUNTING the packets that a softirq takes in are on nobody's bill, and the same
    work on the same processor shows less CPU time for a request.
    """
    for path in (root / "proc/config.gz", root / f"boot/config-{platform.release()}"):
        try:
            contents = path.read_bytes()
            config = gzip.decompress(contents) if path.suffix == ".gz" else contents
        except (OSError, EOFError):
            continue
        return b"\nCONFIG_IRQ_TIME_ACCOUNTING=y\n" in b"\n" + config
    return None


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
