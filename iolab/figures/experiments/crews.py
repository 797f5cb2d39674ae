"""Servers of several processes: who wakes, who accepts, and what more cores give."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from iolab.data.reference import rows_of
from iolab.display.units import short_time
from iolab.experiments.balances import MODELS, OWN, SHARED, Balance
from iolab.experiments.core_counts import DEALT, LUCK, THREADS, Cores, speed_up
from iolab.experiments.herds import ALL, ONE, Herd
from iolab.experiments.result import look_up
from iolab.figures.experiments.common import HERE, PUBLISHED, Row, Source, conclude, curve, legend, points, sources
from iolab.figures.style import GREY, SMALL_PT, CourseFigure, colour_of, in_style, new, time_axis

MOST_CORES = 16
"""How far the model is drawn."""


@in_style
def herd(record: Herd) -> CourseFigure:
    """Draw wake-ups and CPU time for one connection against the number of workers."""
    figure, panels = new(1, 2, height_in=3.6)
    for model in (ALL, ONE):
        for source, rows in reversed(sources(record)):
            for axes, column in zip(panels, ("wake_ups", "cpu_us"), strict=True):
                curve(axes, points(rows, "workers", column, model=model), source, colour_of(model))
    for axes, title, unit in zip(
        panels, ("processes that wake", "what that costs"), ("wake-ups", "CPU time (µs)"), strict=True
    ):
        axes.set_title(title)
        axes.set_xlabel("workers")
        axes.set_ylabel(f"{unit} for one connection")
        axes.set_ylim(0, None)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, {model: colour_of(model) for model in (ALL, ONE)}, [source for source, _ in sources(record)])
    return conclude(figure, record, [_wakes(row) for row in record.rows])


def _wakes(row: Row) -> str:
    name = f"{row['model']}, {row['workers']} workers"
    if row["wake_ups"] is None:
        return f"{name}: {row['why_not']}."
    return f"{name}: {row['wake_ups']:.1f} wake-ups and {row['cpu_us']:.0f} µs of CPU for one connection."


@in_style
def balance(record: Balance) -> CourseFigure:
    """Draw the share of the busiest worker, and the latency of those who connect while one stalls."""
    figure, (left, right) = new(1, 2, height_in=3.4)
    published = [_published(model, queues) for model, queues in ((SHARED, "shared"), (OWN, "one each"))]
    whose = [*sources(record), (PUBLISHED, [row for row in published if row["max_us"]])]
    for number, (source, rows) in enumerate(whose):
        for row in rows:
            if row["max_us"] is not None:
                height = MODELS.index(row["model"]) + 0.25 * (number - (len(whose) - 1) / 2)
                _balance_row(left, right, row, height, source)
    even = next((1 / row["workers"] for row in record.rows if row["workers"]), None)
    if even:
        left.axvline(even, color=GREY, linestyle=":")
        left.annotate("even", (even, -0.5), (4, 0), textcoords="offset points", fontsize=SMALL_PT, color=GREY)
    for axes in (left, right):
        axes.set_ylim(len(MODELS) - 0.4, -0.75)
        axes.grid(axis="y", visible=False)
    left.set_yticks(range(len(MODELS)), MODELS)
    right.set_yticks(range(len(MODELS)), [""] * len(MODELS))
    left.set_xlim(0, 1.05)
    left.xaxis.set_major_formatter(PercentFormatter(1))
    left.set_xlabel("connections of the busiest worker")
    time_axis(right.xaxis, "median and slowest, while one worker stalls")
    left.set_title("one by one: who accepts?")
    right.set_title("one stalls: who waits?")
    legend(figure, {}, [source for source, _ in whose])
    return conclude(figure, record, [_waits(row) for row in record.rows])


def _published(model: str, queues: str) -> Row:
    rows = rows_of("cloudflare-queues")
    middle, slowest = (look_up(rows, figure, queues=queues) for figure in ("median_ms", "max_ms"))
    return {"model": model, "busiest": None, "p50_us": (middle or 0) * 1e3, "max_us": (slowest or 0) * 1e3}


def _balance_row(left: Axes, right: Axes, row: Row, height: float, source: Source) -> None:
    name, dash, marker = source
    look: dict[str, Any] = {
        "color": colour_of(row["model"]),
        "marker": marker,
        "markersize": 8 if name == HERE[0] else 4,
    }
    if row["busiest"] is not None:
        left.plot(row["busiest"], height, **look)
    right.plot([row["p50_us"], row["max_us"]], [height, height], dash, linewidth=1.5, **look)


def _waits(row: Row) -> str:
    if row["busiest"] is None:
        return f"{row['model']}: {row['why_not']}."
    times = f"median {short_time(row['p50_us'])}, slowest {short_time(row['max_us'])} while one stalls"
    return f"{row['model']}: the busiest of {row['workers']} workers has {row['busiest']:.0%}; {times}."


@in_style
def cores(record: Cores) -> CourseFigure:
    """Draw what processes and threads gain where replies compute, and beside it what a model makes of more cores."""
    figure, (left, right) = new(1, 2, height_in=3.8)
    shown = ((THREADS, 1), (LUCK, record.cores), (DEALT, record.cores))
    for source, rows in reversed(sources(record)):
        most = max((row["workers"] for row in rows), default=1)
        for model, workers in shown:
            mine = [row for row in rows if (row["model"], row["workers"]) == (model, min(workers, most))]
            _gain(left, mine, source, colour_of(model))
    left.axhline(1, color=GREY, linewidth=1)
    left.set_ylim(0, None)
    left.set_xlabel("CPU time of a reply (ms)")
    left.set_ylabel("replies a second, times one epoll")
    left.set_title("measured")
    _model(right, record)
    legend(figure, {model: colour_of(model) for model, _ in shown}, [source for source, _ in sources(record)])
    return conclude(figure, record, [*_longest(record), *_extrapolations(record)])


def _gain(axes: Axes, rows: Sequence[Row], source: Source, colour: str) -> None:
    gains = sorted((row["work_us"] / 1e3, row["times"]) for row in rows if row["times"] is not None)
    curve(axes, gains, source, colour)
    if source == HERE:
        for row in rows:
            if row["low"] is not None:
                axes.plot([row["work_us"] / 1e3] * 2, [row["low"], row["high"]], color=colour, linewidth=1.2)


def _model(axes: Axes, record: Cores) -> None:
    """Draw Amdahl's curve for the longest reply, dotted, and on it what was measured."""
    numbers = range(1, MOST_CORES + 1)
    axes.plot(numbers, numbers, color=GREY, linewidth=0.8)
    serial = record.serial(record.work_us)
    if serial is not None:
        axes.plot(numbers, [speed_up(serial, count) for count in numbers], ":", color=GREY, linewidth=2)
        words = f"dotted: a model, replies of\n{record.work_us / 1e3:g} ms, {serial:.1%} in turn"
        axes.annotate(words, (0.98, 0.05), xycoords="axes fraction", ha="right", fontsize=SMALL_PT)
    one = record.value("per_s", work_us=record.work_us, model=DEALT, workers=1)
    mine = points(record.rows, "workers", "per_s", work_us=record.work_us, model=DEALT)
    axes.plot([count for count, _ in mine], [rate / (one or 1) for _, rate in mine], "o", color=colour_of(DEALT))
    axes.set_xlabel("cores; beyond the dots nothing is measured")
    axes.set_ylabel("times one worker")
    axes.set_title("a model: what more cores would give")
    axes.set_xticks([1, *range(2, MOST_CORES + 1, 2)])


def _longest(record: Cores) -> list[str]:
    return [_gains(row) for row in record.rows if row["work_us"] == record.work_us]


def _gains(row: Row) -> str:
    name = f"{row['model']} with {row['workers']}, replies of {row['work_us'] / 1e3:g} ms"
    if row["times"] is None:
        return f"{name}: {row['why_not']}."
    return f"{name}: {row['times']:.2f} times one epoll; a worker was idle in {row['idle_runs']} of {row['runs']} runs."


def _extrapolations(record: Cores) -> list[str]:
    serial = record.serial(record.work_us)
    if serial is None:
        return ["One core: there is nothing to draw a model from."]
    return [f"Model, not measured: {serial:.1%} in turn, so 8 cores give {speed_up(serial, 8):.1f} times one."]
