"""A Dask cluster: reach it or make one here, see that all of it runs the same, and say in one line if not."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from iolab.errors import UsageError

ANSWERS_S = 10.0
"""A scheduler or a worker that does not answer for so long is lost."""

SAME = ("iolab", "distributed", "python")
"""What must be the same on all machines as here. The scheduler runs nothing of ours, but unpickles each task."""


@asynccontextmanager
async def connect(scheduler: str) -> AsyncIterator[Any]:
    """Yield an asynchronous client of the scheduler at this address. Raise UsageError if none answers there."""
    client = await _open(scheduler)
    logger = logging.getLogger("distributed.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # that a scheduler is gone is ours to say
    try:
        yield client
    finally:
        await _close(client)
        logger.setLevel(level)


@asynccontextmanager
async def of_this_machine() -> AsyncIterator[Any]:
    """Yield an asynchronous client of a new cluster: one process with one thread for each CPU."""
    from distributed import Client, LocalCluster

    settings = {
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",  # with None, Dask still opens 8787, and warns where another cluster has it
        "silence_logs": logging.ERROR,  # a worker that a busy machine ends slowly is nobody's concern
    }
    async with (
        LocalCluster(**settings, asynchronous=True) as local,
        Client(local, asynchronous=True, set_as_default=False) as client,
    ):
        yield client


async def _open(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("a cluster needs the package distributed: pip install 'iolab[class]'") from None
    client = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that differ: `workers_of` refuses them in one line
            # Client's own timeout does not cover a peer that accepts and is silent.
            async with asyncio.timeout(ANSWERS_S):
                client = Client(scheduler, asynchronous=True, timeout=ANSWERS_S / 2, set_as_default=False)
                return await client
    except (OSError, ValueError, ImportError) as error:
        await _close(client)
        why = str(error) or f"it said nothing for {ANSWERS_S:g} s"
        raise UsageError(
            f"no Dask scheduler answers at {scheduler}: {why}; `dask scheduler` starts one, and "
            f"`dask worker {scheduler}` a worker"
        ) from None


async def _close(client: Any) -> None:
    with suppress(OSError):  # TimeoutError is one
        async with asyncio.timeout(ANSWERS_S):
            if client is not None:
                await client.close()


async def workers_of(client: Any, scheduler: str) -> list[str]:
    """Return the addresses of all workers. Raise UsageError if there are none, or if a machine has something else."""
    try:
        async with asyncio.timeout(ANSWERS_S):
            answer = await client.get_versions(packages=["iolab"])
    except OSError:
        raise UsageError(f"not every worker of {scheduler} answered within {ANSWERS_S:g} s") from None
    if not answer["workers"]:
        raise UsageError(f"the scheduler at {scheduler} has no workers; `dask worker {scheduler}` starts one")
    here = versions(answer["client"])
    for worker, machine in answer["workers"].items():
        refuse(f"worker {worker}", versions(machine), here)
    refuse(f"the scheduler at {scheduler}", versions(answer["scheduler"]), here)
    return list(answer["workers"])


async def addresses(client: Any) -> set[str] | None:
    """Return the addresses of the workers that the scheduler has now, or None if it does not answer."""
    try:
        async with asyncio.timeout(ANSWERS_S):
            return set(await client.nthreads())
    except Exception:  # of many kinds, once Dask has closed a client that could not reconnect
        return None


def refuse(who: str, there: dict[str, str], here: dict[str, str]) -> None:
    """Raise UsageError if versions there are not those here."""
    differ = [f"{package} {runs}, not {here[package]}" for package, runs in there.items() if runs != here[package]]
    if differ:
        raise UsageError(f"{who} has {' and '.join(differ)} as here; it must be the same on all machines")


def versions(machine: dict[str, Any]) -> dict[str, str]:
    """Return what must be the same, from what Dask says about a machine; of Python the first two numbers."""
    packages = {package: str(machine["packages"].get(package)) for package in SAME}
    return packages | {"python": ".".join(packages["python"].split(".")[:2])}
