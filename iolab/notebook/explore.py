"""A panel to try any model under any load: what can be set, the run that it starts, and its controls."""

import html
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import Any

import ipywidgets

from iolab.display.html import card, note
from iolab.display.progress_bar import Tick
from iolab.display.units import count
from iolab.errors import LoadFailed, ServerFailed, UsageError, guard
from iolab.kernel import descriptors, threads
from iolab.measurement.run import Run, measure
from iolab.models import MODELS, choose, resolve
from iolab.notebook.controls import LABELLED, busy_note, present, status, with_slider
from iolab.notebook.history import History, Setting
from iolab.replies import busy, upper
from iolab.settings import profile
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload

SHORTEST_RUN_S = 1.0
"""A run takes at least this long, so that slow rates have something to show."""

GIVE_UP_S = 2.0
"""A run gives up on the server when nothing has been answered for this long."""

STOPPING = "Stopping: waiting for the server to finish the replies that it has begun."

TICKS_PER_VIEW = 2
"""Ticks come ten times a second; every second one is shown, because showing one holds the GIL."""

CONNECTIONS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SIZES = (1, 64, 256, 1024, 4096, 16384, 65536)
RATES = (0, 100, 300, 1000, 3000, 10_000, 30_000)
WORK_US = (0, 10, 30, 100, 300, 1000, 3000)
IDLE = (0, 10, 30, 100, 300, 900, 3000)

ROW = {"width": "auto", "min_width": "22rem"}
GRID = {"grid_template_columns": "repeat(auto-fit, minmax(22rem, 1fr))", "grid_gap": "0.2rem 1.5rem"}

ELSEWHERE = "It needs JupyterLab and a kernel: open the lesson there, and run this cell."

BUSY = "A cell is running: Run and Stop are heard when it has ended."

_turn = threading.Lock()  # two runs at once would measure each other
_jobs: "SimpleQueue[Callable[[], None]]" = SimpleQueue()


@dataclass(frozen=True)
class View:
    """What a panel shows: whether a run is on, a sentence, how far it is, and the result; None leaves the last one."""

    running: bool
    sentence: str
    done: float | None = None
    result: str | None = None

    @property
    def status(self) -> str:
        """The sentence as HTML that a screen reader reads out, with a bar while a run is on."""
        bar = "" if self.done is None else f' <progress value="{self.done:.3f}" aria-label="progress"></progress>'
        return status(html.escape(self.sentence) + bar)


Show = Callable[[View], None]


class Explorer:
    """A panel: what it lets the learner set, and at most one run at a time."""

    def __init__(self, settings: tuple[Setting, ...]) -> None:
        self.settings = settings
        self.left_out = {name: reason for name, model in MODELS.items() if (reason := model.why_not())}
        """The models that cannot run here, and why."""
        self.history = History(settings)
        self._client: Client | None = None
        self._show: Show = lambda view: None
        self._telling = threading.Lock()  # or a late view would stand over the last one
        self._stopping, self._over = threading.Event(), threading.Event()
        self._over.set()

    def run(self, chosen: Mapping[str, Any], show: Show) -> None:
        """Measure what is chosen in another thread, and show it; a run that is on is left alone.

        The caller's thread is the notebook's: it returns at once and stays free to handle Stop.
        """
        if not self._over.is_set():
            return
        if not _turn.acquire(blocking=False):
            show(View(False, "Another panel is measuring. Wait for it, or stop it there."))
            return
        self._stopping.clear()
        self._over.clear()
        self._show = show
        show(View(True, "Starting.", 0.0))
        _start_worker()
        _jobs.put(lambda: self._finish_run(chosen, show))

    def stop(self) -> None:
        """End a run early, say what that waits for, and then show what it has measured so far."""
        with self._telling:
            self._stopping.set()
            if not self._over.is_set():
                self._show(View(True, STOPPING))
        client = self._client
        if client is not None:
            client.stop()

    def wait(self) -> None:
        """Sleep until the run is over, if one is on."""
        self._over.wait()

    def _finish_run(self, chosen: Mapping[str, Any], show: Show) -> None:
        try:
            view = self._conclude(chosen, self._measure(chosen))
        except (LoadFailed, ServerFailed, UsageError) as error:
            view = View(False, f"This could not be measured: {error}.")
        except Exception as error:  # or the panel would stay on Measuring for ever
            view = View(False, f"This could not be measured: {error!r}.")
        self._client = None
        _turn.release()
        with self._telling:
            self._over.set()
            show(view)

    def _measure(self, chosen: Mapping[str, Any]) -> Run:
        seen = 0

        def tick(now: Tick) -> None:
            nonlocal seen
            if seen % TICKS_PER_VIEW == 0:
                self._tell(View(True, f"Measuring: {now.requests:,} requests.", now.done))
            seen += 1

        work, work_us = chosen_workload(chosen), chosen["work_us"]
        respond = busy(work_us / 1e6) if work_us else upper
        subject, keep = resolve(chosen["model"]), self._keep_client
        return measure(subject, work, respond=respond, on_tick=tick, on_client=keep)

    def _tell(self, view: View) -> None:
        """Show how a run goes on, unless it is being stopped: that has been said, and stays."""
        with self._telling:
            if not self._stopping.is_set():
                self._show(view)

    def _conclude(self, chosen: Mapping[str, Any], run: Run) -> View:
        """Add a finished run to the earlier ones, and return the view of all of them."""
        stopped = self._stopping.is_set()
        early = ", stopped early" if stopped else ""
        self._tell(View(True, f"Drawing {count(len(run.records), 'request')}."))
        self.history = self.history.add(chosen, run, stopped)
        return View(False, f"Done: {count(len(run.records), 'request')}{early}.", None, self.history._repr_html_())

    def compare_settings(self, chosen: Mapping[str, Any]) -> str:
        """Return a sentence on what is set otherwise than in the run shown last; nothing if all is the same."""
        if not self.history.attempts:
            return ""
        latest = self.history.attempts[-1]
        changed = [each.label for each in self.settings if chosen[each.key] != latest.chosen[each.key]]
        return f"Changed since run {latest.number}: {', '.join(changed)}. Press Run to measure it." if changed else ""

    def _keep_client(self, client: Client) -> None:
        self._client = client
        if self._stopping.is_set():  # Stop came before there was anything to stop
            client.stop()

    def _ipython_display_(self) -> None:
        present(panel(self), str(self), self.page)

    @property
    def page(self) -> str:
        """What a page without a kernel shows in place of the panel, as HTML: the runs until now, or where it works."""
        return self.history._repr_html_() or card("open", html.escape(str(self)), note(ELSEWHERE))

    @property
    def notes(self) -> str:
        """What the panel cannot offer here, as HTML: the models that do not run, and why."""
        missing = "; ".join(f"{name}: {reason}" for name, reason in self.left_out.items())
        return f"<small>Not on this machine: {html.escape(missing)}.</small>" if missing else ""

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        names = ", ".join(setting.label for setting in self.settings)
        return f"A panel to explore with, for a browser: {names}. Nothing has been measured."


@cache
def _start_worker() -> None:
    """Start the one thread that makes all runs: matplotlib keeps its fonts open for every thread that draws."""

    def work() -> None:
        while True:
            with suppress(Exception):  # its panel may be gone from the page
                _jobs.get()()

    threads.start(threading.Thread(target=work, name="iolab explore", daemon=True))


def chosen_workload(chosen: Mapping[str, Any]) -> Workload:
    """Return what is chosen as a workload; a rate of 0 is a closed loop."""
    return Workload(
        connections=chosen["connections"],
        size_bytes=chosen["size_bytes"],
        rate_per_s=chosen["rate_per_s"] or None,
        idle=chosen["idle"],
        seconds=max(SHORTEST_RUN_S, profile().seconds),
        patience_s=GIVE_UP_S,
    )


@guard
def explore(
    model: str = "epoll",
    *,
    connections: int = 10,
    size_bytes: int = 64,
    rate_per_s: int = 0,
    work_us: int = 0,
    idle: int = 0,
) -> Explorer:
    """Return a panel that measures a model under a load, both the learner's choice; without a browser, a line.

    The arguments are the first choice. `rate_per_s=0` is a closed loop, `work_us` the CPU time of each
    reply. More connections than this machine can hold become as many as it can.
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
        raise UsageError(f"{key} must be a whole number from {lowest} to {highest}, not {start!r}")
    room = highest if most is None else max(lowest, min(most, highest))
    start = min(start, room)
    options = sorted({value for value in (*values, start) if value <= room})
    return Setting(key, label, tuple((text(value), value) for value in options), start)


def _size(size_bytes: int) -> str:
    return f"{size_bytes} B" if size_bytes < 1024 else f"{size_bytes / 1024:g} kB"


def _rate(per_s: int) -> str:
    return f"{per_s:,}/s" if per_s else "closed loop"


def panel(explorer: Explorer) -> Any:
    """Return the controls: what can be set, the two buttons, what is going on, and the runs until now."""
    lists = {setting.key: _list(setting) for setting in explorer.settings}
    run = ipywidgets.Button(description="Run", button_style="primary", tooltip="Measure this model under this load")
    stop = ipywidgets.Button(description="Stop", disabled=True, tooltip="End the run early and show what it measured")
    line, result = ipywidgets.HTML(), ipywidgets.HTML(explorer.history._repr_html_())
    result.add_class("jp-RenderedHTMLCommon")  # tables as in an output

    def choose_all() -> dict[str, Any]:
        return {key: each.value for key, each in lists.items()}

    def show(view: View) -> None:
        run.disabled, line.value = view.running, view.status
        stop.disabled = not view.running or view.sentence == STOPPING
        result.value = result.value if view.result is None else view.result

    def compare_settings(_: Any) -> None:
        if not run.disabled:
            line.value = status(note(explorer.compare_settings(choose_all())))

    run.on_click(lambda _: explorer.run(choose_all(), show))
    stop.on_click(lambda _: explorer.stop())
    for each in lists.values():
        each.observe(compare_settings, names="value")
    rows = [_row(lists[setting.key]) if setting.slides else lists[setting.key] for setting in explorer.settings]
    buttons = ipywidgets.HBox([run, stop, line, busy_note(BUSY)], layout={"flex_flow": "row wrap"})
    return ipywidgets.VBox([ipywidgets.GridBox(rows, layout=GRID), ipywidgets.HTML(explorer.notes), buttons, result])


def _list(setting: Setting) -> Any:
    return ipywidgets.Dropdown(
        options=list(setting.options),
        value=setting.start,
        description=setting.label,
        style=LABELLED,
        layout={"width": "15rem" if setting.slides else "auto"},
    )


def _row(choices: Any) -> Any:
    slider = ipywidgets.SelectionSlider(
        options=choices.options, value=choices.value, readout=False, layout={"flex": "1"}
    )
    row = with_slider(choices, slider, "index")
    row.layout = ROW
    return row
