"""Figures of runs: latency of every connection and of all requests, CPU use, and one stall by three clocks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from iolab.display.units import count, short_time
from iolab.figures.style import (
    CLOCKS,
    INK,
    CourseFigure,
    beware,
    colour_of,
    finish,
    in_style,
    key,
    line,
    new,
    placements,
    quantile_axis,
    require_some,
    time_axis,
)
from iolab.measurement.run import Run
from iolab.traffic.records import Nanoseconds


@in_style
def latency(run: Run) -> CourseFigure:
    """Draw the latencies of every connection, and the percentile curve of all.

    On the left each connection is a column: its median, its span from fastest to slowest,
    and every request while there are few enough to see. On the right one curve of all requests.
    """
    figure, (left, right) = new(1, 2, width_ratios=[3, 2])
    _connections(left, run)
    curve(right, run.records.latency_ns, run.model, color=colour_of(run.model))
    left.set_title("each connection")
    right.set_title("all requests")
    if not len(run.records):
        right.text(0.5, 0.5, "no request was answered", ha="center", transform=right.transAxes)
    right.sharey(left)
    return finish(
        figure, _alt(run), f"{run.model}, {count(len(run.records), 'request')}, {run.conditions}", beware(run)
    )


@in_style
def percentiles(*runs: Run, labels: Sequence[str] = ()) -> CourseFigure:
    """Draw the percentile curves of several runs over one another, under their models' names or your labels."""
    require_some(runs, "runs of `iolab.measure(...)`")
    figure, (axes,) = new()
    names = labels or [run.model for run in runs]
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        curve(axes, run.records.latency_ns, name, **line(number, run.model))
    key(axes)
    axes.set_title("latency of all requests")
    alt = "Percentile curves of the latency. " + " ".join(
        _sentence(name, run.records.latency_ns) for run, name in zip(runs, names, strict=True)
    )
    return finish(figure, alt, placements(*runs), beware(*runs, names=names))


@in_style
def cpu(*runs: Run, labels: Sequence[str] = ()) -> CourseFigure:
    """Draw the CPU use of the server over time, one line a run, under its model's name or your label.

    Each line ends with its load, and not with the last reading of the clock, which came later.
    """
    require_some(runs, "runs of `iolab.measure(...)`")
    figure, (axes,) = new(height_in=2.95)
    names = labels or [run.model for run in runs]
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        at_ns, share = run.cpu.until(run.records.end_ns).share()
        per_request = "" if run.cpu_us_per_request is None else f", {run.cpu_us_per_request:.1f} µs a request"
        label = f"{name}: {run.cpu_share:.0%} of a CPU{per_request}"
        axes.plot((at_ns - run.cpu.at_ns[0]) / 1e9, 100 * share, label=label, **line(number, run.model))
    axes.set_ylim(0, 1.06 * max(1, axes.dataLim.y1))
    axes.set_xlim(0, None)
    axes.set_xlabel("seconds")
    axes.set_ylabel("CPU use of the server, %")
    axes.set_title("CPU use of the server")
    key(axes)
    alt = "CPU use of the server over time. " + " ".join(
        f"{name}: {run.cpu_share:.0%} of one CPU on average." for run, name in zip(runs, names, strict=True)
    )
    return finish(figure, alt, placements(*runs), beware(*runs, names=names))


@in_style
def omission(closed: Run, open_: Run) -> CourseFigure:
    """Draw a closed loop, and an open one timed twice: from the send, and from when each request was due."""
    curves = (
        ("closed loop", closed.records.service_ns, CLOCKS["closed loop"], "--"),
        ("open loop, timed from the send", open_.records.service_ns, CLOCKS["from the send"], ":"),
        ("open loop, timed from when it was due", open_.records.response_ns, CLOCKS["from when due"], "-"),
    )
    figure, (axes,) = new()
    for label, times_ns, colour, dash in curves:
        curve(axes, times_ns, label, color=colour, linestyle=dash)
    key(axes)
    axes.set_title("one server that stalls, seen by three clocks")
    alt = "Percentile curves of one stalling server. " + " ".join(
        f"{label}: 99 % within {short_time(float(np.percentile(times_ns, 99)) / 1e3)}."
        for label, times_ns, _, _ in curves
        if len(times_ns)
    )
    warning = beware(closed, open_, names=("closed loop", "open loop"))
    return finish(figure, alt, placements(closed, open_), warning)


def _connections(axes: Axes, run: Run) -> None:
    times_us = [times_ns / 1e3 for times_ns in run.records.per_connection()]
    answered = [(number, times) for number, times in enumerate(times_us) if len(times)]
    silent = [number for number, times in enumerate(times_us) if not len(times)]
    numbers = np.array([number for number, _ in answered])
    width = max(0.6, min(4.0, 160 / len(times_us)))
    if answered:
        spread = np.array([np.percentile(times, (0, 50, 99, 100)) for _, times in answered])
        _columns(axes, numbers, spread, colour_of(run.model), width)
    if silent:
        look: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "label": "no reply"}
        axes.plot(silent, [1.0] * len(silent), "x", color=INK, **look)
    time_axis(axes.yaxis, "latency")
    axes.set_xlim(-0.7, len(times_us) - 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("connection")
    key(axes)


def _columns(axes: Axes, numbers: Any, spread: Any, colour: str, width: float) -> None:
    """Draw fastest, median, 99 % and slowest of each connection; ink is for the slowest alone."""
    fastest, median, rare, slowest = spread.T
    axes.vlines(numbers, fastest, rare, color=colour, alpha=0.45, linewidth=width, label="fastest to 99 %")
    axes.plot(numbers, median, "o", color=colour, markersize=width + 1, label="median")
    axes.plot(numbers, slowest, "_", color=INK, markersize=width + 4, label="slowest")


def curve(axes: Axes, times_ns: Nanoseconds, label: str, **drawn_as: Any) -> None:
    """Draw the percentile curve of some times, if there are any."""
    if len(times_ns):
        one_in = np.geomspace(1, len(times_ns), 400)  # the last is the slowest request, one in all of them
        ranks = np.minimum(len(times_ns) * (1 - 1 / one_in), len(times_ns) - 1).astype(int)
        axes.plot(one_in, np.sort(times_ns)[ranks] / 1e3, label=label, **drawn_as)
    time_axis(axes.yaxis, "latency")
    quantile_axis(axes, max(2, axes.dataLim.x1))  # of the longest curve so far


def _alt(run: Run) -> str:
    medians = [float(np.median(times)) for times in run.records.per_connection() if len(times)]
    if not medians:
        return f"Latency of {run.model}: no request was answered."
    silent = run.records.workload.connections - len(medians)
    return (
        f"Latency of {run.model}, {count(len(medians), 'connection')}, one column each: the medians lie between "
        f"{short_time(min(medians) / 1e3)} and {short_time(max(medians) / 1e3)}. "
        + (f"{count(silent, 'connection')} had no reply. " if silent else "")
        + _sentence("All requests", run.records.latency_ns)
    )


def _sentence(name: str, times_ns: Sequence[int] | Nanoseconds) -> str:
    if len(times_ns) == 0:
        return f"{name}: no reply."
    half, rare, worst = (short_time(value / 1e3) for value in np.percentile(times_ns, (50, 99, 100)))
    return f"{name}: median {half}, 99 % within {rare}, slowest {worst}."
