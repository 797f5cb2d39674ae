"""Drive one load on all workers of a Dask cluster: connect everywhere, begin together, fetch what was measured."""

import asyncio
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any

from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed
from iolab.kernel.interrupts import complete
from iolab.traffic.cluster import dask as cluster
from iolab.traffic.cluster import worker as there
from iolab.traffic.cluster.merged import Merged
from iolab.traffic.cluster.shares import Share, split
from iolab.traffic.workload import OnTick, Workload

LEASE_S = 30.0
"""A worker that is not asked for this long ends its share; we never wait as long for any other worker."""

LEAST_PAUSE_S, MOST_PAUSE_S = 0.05, 2.0


def load(
    scheduler: str, address: tuple[str, int], workload: Workload, *, on_tick: OnTick = lambda tick: None
) -> Merged:
    """Put a load on a server from all workers of a cluster, and return what they measured together.

    Raise UsageError if the cluster cannot be used, and LoadFailed if a worker cannot connect to the server:
    nothing was sent then. What goes wrong later, lost workers too, is in what is returned.
    """
    return complete(drive(scheduler, address, workload, on_tick=on_tick))


async def drive(
    scheduler: str, address: tuple[str, int], workload: Workload, *, on_tick: OnTick = lambda tick: None
) -> Merged:
    """Do what `load` does where an event loop runs already, as in a notebook."""
    async with cluster.connect(scheduler) as client:
        workers = await cluster.workers_of(client, scheduler)
        company = Company(client, dict(zip(workers, split(workload, len(workers)), strict=False)))
        try:
            await company.connect(address)
            spread_s = await company.begin()
            await company.finish(on_tick)
        finally:
            await company.drop()
    measured = {worker: seen.measured for worker, seen in company.seen.items() if seen.measured}
    if not measured:
        raise LoadFailed(f"no worker is left, and nothing was measured: {company.first_loss()}")
    lost = {worker: why for worker, why in company.lost.items() if worker not in measured}
    return Merged(company.shares, measured, lost, spread_s, tuple(workers[len(company.shares) :]))


class Company:
    """The workers of one load: how far each is, and who was lost."""

    def __init__(self, client: Any, shares: dict[str, Share]) -> None:
        self.client, self.shares, self.load = client, shares, uuid.uuid4().hex
        self.seen = dict.fromkeys(shares, there.Seen())
        self.lost: dict[str, str] = {}
        self.answered_s = 0.0

    async def connect(self, address: tuple[str, int]) -> None:
        """Open every connection of every share. Raise LoadFailed if one cannot be."""
        await self.ask(there.take, {worker: (address, share, LEASE_S) for worker, share in self.shares.items()})
        before_s = time.monotonic()
        while not self.lost and not all(seen.connected for seen in self.seen.values()):
            await self.look(self.shares)
            await pause(before_s)
        if self.lost:
            raise LoadFailed(self.first_loss())

    async def begin(self) -> float:
        """Tell all to begin, and return the most by which their starts can differ, in seconds.

        All begin between our word and the last answer, and those are two times of one clock.
        """
        before_s = time.monotonic()
        await self.ask(there.begin, dict.fromkeys(self.shares, ()))
        return self.answered_s - before_s

    async def finish(self, on_tick: OnTick) -> None:
        """Wait for the figures of every worker that is not lost, and tell the progress meanwhile."""
        before_s = time.monotonic()
        while doing := [worker for worker in self.going() if self.seen[worker].measured is None]:
            await pause(before_s)
            await self.look(doing)
            on_tick(self.tick())

    async def drop(self) -> None:
        """End every share that has not ended, those of workers too that were given up and are alive."""
        workers = await cluster.addresses(self.client) or ()
        await self.ask(there.drop, {worker: () for worker in self.shares if worker in workers})

    async def look(self, workers: Collection[str]) -> None:
        """Ask how far these are; whom the scheduler no longer knows is lost."""
        members = await cluster.addresses(self.client)
        why = "the scheduler does not answer" if members is None else "the scheduler no longer knows it"
        answers = await self.ask(there.look, {worker: () for worker in workers if worker in (members or ())})
        self.seen.update(answers)
        self.lost |= {worker: seen.failed for worker, seen in answers.items() if seen.failed}
        self.lost |= {worker: why for worker in workers if worker not in (members or ())}

    async def ask(self, function: Callable[..., Any], arguments: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
        """Call a function on workers, on all at once, and return their answers; who gives none is lost."""
        calls = [self._ask(worker, function, own) for worker, own in arguments.items()]
        answers = dict(zip(arguments, await asyncio.gather(*calls), strict=True))
        self.lost |= {worker: reason(answer) for worker, answer in answers.items() if isinstance(answer, Exception)}
        return {worker: answer for worker, answer in answers.items() if worker not in self.lost}

    async def _ask(self, worker: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        try:
            async with asyncio.timeout(cluster.ANSWERS_S):  # Dask goes on calling a dead worker for longer
                called = self.client.run(function, self.load, *arguments, workers=[worker], on_error="return")
                answer = (await called)[worker]
        except Exception as error:
            return error
        if not isinstance(answer, Exception):
            self.answered_s = time.monotonic()
        return answer

    def going(self) -> list[str]:
        """Return the workers that are not lost."""
        return [worker for worker in self.shares if worker not in self.lost]

    def tick(self) -> Tick:
        """Return the progress of all: requests and errors are sums, and `done` is that of the last."""
        ticks = [self.seen[worker].tick for worker in self.going()]
        done = min((tick.done for tick in ticks), default=0.0)
        return Tick(done, sum(tick.requests for tick in ticks), sum(tick.errors for tick in ticks))

    def first_loss(self) -> str:
        """Name the first worker that was lost, what it was to do, and why it does not."""
        worker, why = next(iter(self.lost.items()))
        return f"worker {worker}, {self.shares[worker]}: {why}"


async def pause(since_s: float) -> None:
    """Wait for a tenth of the time that has passed: each look costs a worker a line in its log."""
    await asyncio.sleep(min(MOST_PAUSE_S, max(LEAST_PAUSE_S, (time.monotonic() - since_s) / 10)))


def reason(error: Exception) -> str:
    """Say why a worker gave no answer."""
    if isinstance(error, TimeoutError):
        return f"it did not answer for {cluster.ANSWERS_S:g} s"
    if isinstance(error, OSError):  # Dask's is one, and names sockets
        return "its connection ended"
    return f"{type(error).__name__}: {error}"
