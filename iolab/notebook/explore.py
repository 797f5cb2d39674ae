"""One panel to try any model under any load: what can be set, and the measurement that it starts."""

import html
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from iolab.errors import LoadFailed, ServerFailed, UsageError
from iolab.kernel import descriptors
from iolab.models import MODELS, choose, resolve
from iolab.replies import busy, upper
from iolab.settings import profile
from iolab.traffic.workload import Tick, Workload

if TYPE_CHECKING:
    from iolab.measurement.run import Run
    from iolab.traffic.process import Client

SECONDS = 1.0
"""A run takes this long at the least, so that slow rates have something to show."""

PATIENCE_S = 2.0
EVERY = 2
"""Ticks come ten times a second; every second one is shown, since what shows it holds the GIL."""

CONNECTIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SIZES = (1, 64, 256, 1024, 4096, 16384, 65536)
RATES = (0, 100, 300, 1000, 3000, 10_000, 30_000)
WORK_US = (0, 10, 30, 100, 300, 1000, 3000)
IDLE = (0, 10, 30, 100, 300, 900, 3000)

_turn = threading.Lock()  # two runs at once would measure each other
_jobs: "SimpleQueue[Callable[[], None]]" = SimpleQueue()


@dataclass(frozen=True)
class Setting:
    """One thing to set: its name for a learner, the values with their texts, and the one to start from."""

    key: str
    label: str
    options: tuple[tuple[str, Any], ...]
    start: Any
    slides: bool = True


@dataclass(frozen=True)
class View:
    """What a panel shows: whether a run is on, how far it is, a sentence, and the result; None leaves the last one."""

    running: bool
    says: str
    done: float | None = None
    result: str | None = None

    @property
    def status(self) -> str:
        """The sentence as HTML that a screen reader reads out, with a bar while a run is on."""
        bar = "" if self.done is None else f' <progress value="{self.done:.3f}" aria-label="progress"></progress>'
        return f'<span role="status">{html.escape(self.says)}{bar}</span>'


Show = Callable[[View], None]


class Explorer:
    """A panel: what it lets the learner set, and at most one run at a time."""

    def __init__(self, settings: tuple[Setting, ...]) -> None:
        self.settings = settings
        self.left_out = {name: reason for name, model in MODELS.items() if (reason := model.why_not())}
        """The models that cannot run here, and why."""
        self._client: Client | None = None
        self._stopping, self._over = threading.Event(), threading.Event()
        self._over.set()

    def run(self, chosen: Mapping[str, Any], show: Show) -> None:
        """Measure what is chosen in another thread, and show it; a run that is on is left alone.

        It returns at once, so the caller's thread, which is the notebook's, stays free to handle Stop.
        """
        if not self._over.is_set():
            return
        if not _turn.acquire(blocking=False):
            show(View(False, "Another panel is measuring. Wait for it, or stop it there."))
            return
        self._stopping.clear()
        self._over.clear()
        show(View(True, "Starting.", 0.0))
        _worker()
        _jobs.put(lambda: self._whole_run(chosen, show))

    def stop(self) -> None:
        """End the run early, if one is on; what it has measured so far is shown."""
        self._stopping.set()
        client = self._client
        if client is not None:
            client.stop()

    def wait(self) -> None:
        """Sleep until the run is over, if one is on."""
        self._over.wait()

    def _whole_run(self, chosen: Mapping[str, Any], show: Show) -> None:
        try:
            view = done(self._measured(chosen, show))
        except (LoadFailed, ServerFailed, UsageError) as error:
            view = View(False, f"This could not be measured: {error}.")
        except Exception as error:  # or the panel would never come to rest
            view = View(False, f"This could not be measured: {error!r}.")
        self._client = None
        _turn.release()
        self._over.set()
        show(view)

    def _measured(self, chosen: Mapping[str, Any], show: Show) -> "Run":
        from iolab.measurement import run

        seen = 0

        def tick(now: Tick) -> None:
            nonlocal seen
            if seen % EVERY == 0:
                show(View(True, f"Measuring: {now.requests:,} requests.", now.done))
            seen += 1

        work, work_us = workload(chosen), chosen["work_us"]
        respond = busy(work_us / 1e6) if work_us else upper
        return run.measure(resolve(chosen["model"]), work, respond=respond, on_tick=tick, on_client=self._begun)

    def _begun(self, client: "Client") -> None:
        self._client = client
        if self._stopping.is_set():  # it came before there was anything to stop
            client.stop()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from iolab.notebook import widgets

        return widgets.panel(self)

    @property
    def notes(self) -> str:
        """What the panel cannot offer here, as HTML: the models that do not run, and why."""
        missing = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
        return f"<small>Not on this machine: {html.escape(missing)}.</small>" if missing else ""

    def __str__(self) -> str:
        names = ", ".join(setting.label for setting in self.settings)
        return f"A panel to explore with, for a browser: {names}. Nothing has been measured."


@cache
def _worker() -> threading.Thread:
    """Return the thread that makes all runs: matplotlib keeps its fonts open for every thread that draws."""

    def work() -> None:
        while True:
            with suppress(Exception):  # of a panel that is gone from its page
                _jobs.get()()

    thread = threading.Thread(target=work, name="iolab explore", daemon=True)
    thread.start()
    return thread


def done(run: "Run") -> View:
    """Return the view of a run that is over: the row of its figures, and the latency of every connection."""
    from iolab.figures import latency

    picture = latency(run)._repr_mimebundle_()[0]["text/html"]
    early = ", stopped early" if run.records.stopped else ""
    return View(False, f"Done: {len(run.records):,} requests{early}.", None, f"{run._repr_html_()}{picture}")


def workload(chosen: Mapping[str, Any]) -> Workload:
    """Return what is chosen as a workload; a rate of 0 is a closed loop."""
    return Workload(
        connections=chosen["connections"],
        size_bytes=chosen["size_bytes"],
        rate_per_s=chosen["rate_per_s"] or None,
        idle=chosen["idle"],
        seconds=max(SECONDS, profile().seconds),
        patience_s=PATIENCE_S,
    )


def explore(
    model: str = "epoll",
    *,
    connections: int = 10,
    size_bytes: int = 64,
    rate_per_s: int = 0,
    work_us: int = 0,
    idle: int = 0,
) -> Explorer:
    """Return a panel that measures a model under a load, both for the learner to choose; without a browser, a line.

    The arguments are what it starts from. `rate_per_s=0` is a closed loop, `work_us` is CPU time of each
    reply. What is more than this machine can do becomes the most that it can.
    """
    models, first = [each.name for each in choose()], resolve(model).name
    most = descriptors.room() // 2  # active and idle ones together
    return Explorer(
        (
            Setting(
                "model", "Model", tuple((name, name) for name in models), first if first in models else models[0], False
            ),
            _setting("connections", "Connections", CONNECTIONS, connections, str, most),
            _setting("size_bytes", "Message size", SIZES, size_bytes, _size),
            _setting("rate_per_s", "Rate", RATES, rate_per_s, _rate),
            _setting("work_us", "Reply work", WORK_US, work_us, lambda us: f"{us:,} µs"),
            _setting("idle", "Idle connections", IDLE, idle, str, most),
        )
    )


def _setting(
    key: str, label: str, values: tuple[int, ...], start: int, text: Callable[[int], str], most: int | None = None
) -> Setting:
    lowest, highest = values[0], values[-1]
    if not isinstance(start, int) or not lowest <= start <= highest:
        raise UsageError(f"{key} is a whole number from {lowest} to {highest} here, not {start!r}")
    room = highest if most is None else max(lowest, min(most, highest))
    start = min(start, room)
    options = sorted({value for value in (*values, start) if value <= room})
    return Setting(key, label, tuple((text(value), value) for value in options), start)


def _size(size_bytes: int) -> str:
    return f"{size_bytes} B" if size_bytes < 1024 else f"{size_bytes / 1024:g} kB"


def _rate(per_s: int) -> str:
    return f"{per_s:,}/s" if per_s else "closed loop"
