"""On a worker: one share of a load, from its first connection until its figures are fetched.

Dask calls these functions on the worker (`Client.run`), outside of its tasks: so what a lost worker was to do
is not done again by another, which would be a second load on the server. None of them waits. A share that nobody
has asked for in `lease_s` ends by itself: who began it is gone.
"""

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from iolab.display.progress_bar import Tick
from iolab.errors import LoadFailed, UsageError
from iolab.kernel import threads
from iolab.traffic.cluster.merged import Measured
from iolab.traffic.cluster.shares import Share
from iolab.traffic.histogram import empty
from iolab.traffic.process import Client

LOOK_S = 0.5
UNKNOWN = "it was restarted, and has lost its share"

NO_TICK = Tick(0.0, 0, 0)

HELD: dict[tuple[str, str], "Held"] = {}
"""The shares of this process by load and worker; a process can be several workers."""


@dataclass(frozen=True)
class Seen:
    """How far a share is: all connected, all measured, or why it failed."""

    connected: bool = False
    tick: Tick = NO_TICK
    measured: Measured | None = None
    failed: str | None = None


class Held:
    """A share and the thread that does it."""

    def __init__(self, address: tuple[str, int], share: Share, lease_s: float) -> None:
        self.address, self.share, self.lease_s = address, share, lease_s
        self.seen, self.asked_s = Seen(), time.monotonic()
        self.go, self.dropped = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._work, name="share of a load", daemon=True)
        threads.start(self.thread)

    @property
    def alone(self) -> bool:
        """Whether it was dropped, or nobody asks for it any more."""
        return self.dropped.is_set() or time.monotonic() - self.asked_s > self.lease_s

    def _work(self) -> None:
        try:
            self._do()
        except (UsageError, LoadFailed) as error:
            self.seen = replace(self.seen, failed=str(error))
        except Exception as error:
            self.seen = replace(self.seen, failed=f"{type(error).__name__}: {error}")

    def _do(self) -> None:
        empty()  # a package that is missing fails here, before the load
        self.share.workload.require()
        with Client(self.address, self.share.workload) as client:
            client.connect()
            self.seen = replace(self.seen, connected=True)
            while not self.go.wait(LOOK_S) and not self.alone:
                pass
            self.dropped.wait(self.share.delay_s)
            if self.alone:
                client.stop()
            records = client.run(lambda tick: self._hear(client, tick))
        self.seen = replace(self.seen, measured=Measured.of(records))

    def _hear(self, client: Client, tick: Tick) -> None:
        self.seen = replace(self.seen, tick=tick)
        if self.alone:
            client.stop()


def take(load: str, address: tuple[str, int], share: Share, lease_s: float, *, dask_worker: Any) -> None:
    """Open the connections of this worker's share."""
    for key in [key for key, held in HELD.items() if held.alone]:
        del HELD[key]
    HELD[load, dask_worker.address] = Held(address, share, lease_s)


def begin(load: str, *, dask_worker: Any) -> None:
    """Begin: all are connected."""
    held = HELD.get((load, dask_worker.address))
    if held is not None:  # `look` says that it is not there
        held.go.set()


def look(load: str, *, dask_worker: Any) -> Seen:
    """Say how far this worker's share is."""
    held = HELD.get((load, dask_worker.address))
    if held is None:
        return Seen(failed=UNKNOWN)
    held.asked_s = time.monotonic()
    return held.seen


def drop(load: str, *, dask_worker: Any) -> None:
    """End this worker's share, if it has not ended, and forget it."""
    held = HELD.pop((load, dask_worker.address), None)
    if held is not None:
        held.dropped.set()
