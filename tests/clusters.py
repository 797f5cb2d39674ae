"""Dask clusters of processes, for tests that lose a part of one."""

import asyncio
import ctypes
import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from iolab.traffic.cluster import dask as cluster


class Processes:
    """Commands that run beside a test, and end with it, or with us."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.all = folder, ExitStack()

    def run(self, *command: object, **options: Any) -> subprocess.Popen[str]:
        self.folder.mkdir(exist_ok=True)
        log = self.all.enter_context((self.folder / f"{time.monotonic_ns()}.log").open("w"))
        said: dict[str, Any] = {"stdout": log, "stderr": log, "text": True, "preexec_fn": die_with_us}
        process = self.all.enter_context(subprocess.Popen([str(each) for each in command], **said | options))
        self.all.callback(process.kill)
        return process

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: Any) -> None:
        self.all.close()


def die_with_us() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


DASK = (sys.executable, "-m", "dask")
SCHEDULER = (*DASK, "scheduler", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
WORKER = (*DASK, "worker", "--no-nanny", "--no-dashboard", "--nthreads", 1, "--scheduler-file")


class Cluster:
    """A scheduler and its workers, each a process."""

    def __init__(self, processes: Processes, workers: int) -> None:
        self.processes, self.file = processes, processes.folder / "scheduler.json"
        self.scheduler = processes.run(*SCHEDULER, "--host", "127.0.0.1", "--port", 0, "--scheduler-file", self.file)
        self.workers = [self.worker() for _ in range(workers)]
        self.address = address_in(self.file)
        wait_for(self.address, workers)

    def worker(self) -> subprocess.Popen[str]:
        return self.processes.run(*WORKER, self.file, "--host", "127.0.0.1")


def address_in(file: Path) -> str:
    """Wait for the file that a scheduler writes, and return its address."""
    while True:
        try:
            return str(json.loads(file.read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.01)


def wait_for(scheduler: str, workers: int) -> set[str]:
    """Wait until a scheduler has so many workers, and return their addresses."""

    async def waited() -> set[str]:
        async with cluster.connect(scheduler) as client:
            await client.wait_for_workers(workers)
            return set(await client.nthreads())

    return asyncio.run(waited())
