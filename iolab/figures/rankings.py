"""All models beside one another: what a request costs the server, and how long its client waits."""

from typing import Any

from matplotlib.axes import Axes

from iolab.display.units import short_time
from iolab.figures.style import GREY, INK, CourseFigure, finish, in_style, new, time_axis
from iolab.measurement.comparison import Comparison


@in_style
def ranking(comparison: Comparison) -> CourseFigure:
    """Draw the models of a comparison at its largest number of connections, by their ratio to the baseline.

    A grey line is the interval of the ratio, or where there are too few repeats for one, the ratios of all repeats.
    """
    count, baseline = max(comparison.counts), comparison.baseline
    rows = [row for row in comparison.ranking if row["connections"] == count and row["requests"]]
    figure, (cost, wait) = new(1, 2, height_in=1.5 + 0.22 * len(rows), width_ratios=(1, 1))
    cost.axvline(1, color=GREY, linestyle=":", linewidth=1)
    for place, row in enumerate(rows):
        _cost(cost, place, row, comparison.ratios(row["model"], baseline, count))
        _wait(wait, place, row)
    _axes(cost, rows)
    cost.set_yticks(range(len(rows)), [row["model"] for row in rows])
    cost.set_xlabel(f"CPU time of the server for a request, times {baseline}'s")
    cost.set_title("what a request costs the server")
    cost.set_xlim(0, 1.06 * cost.dataLim.x1)
    _axes(wait, rows)
    wait.set_yticks(range(len(rows)), [""] * len(rows))
    time_axis(wait.xaxis, "latency")
    wait.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    connections = f"{count:,} connection{'s' * (count > 1)}"
    return finish(figure, _alt(rows, connections, baseline), f"{connections}; {comparison.runs[0].placement}")


def _cost(axes: Axes, place: int, row: dict[str, Any], ratios: list[float]) -> None:
    if not ratios:
        return
    axes.plot(row["interval"] or [min(ratios), max(ratios)], [place, place], color=GREY, linewidth=1)
    axes.plot(row["ratio"], place, "o", color=INK, markersize=5)


def _wait(axes: Axes, place: int, row: dict[str, Any]) -> None:
    first = place == 0
    axes.plot(row["p50_us"], place, "o", color=INK, markersize=5, label="median" if first else None)
    if row["p99_us"] is not None:
        hollow: dict[str, Any] = {"color": INK, "markerfacecolor": "none", "markersize": 4.5}
        axes.plot(row["p99_us"], place, "s", label="p99" if first else None, **hollow)


def _axes(axes: Axes, rows: list[dict[str, Any]]) -> None:
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _alt(rows: list[dict[str, Any]], connections: str, baseline: str) -> str:
    return (
        f"CPU time of the server for one request at {connections}, as times that of "
        f"{baseline}, smallest first: {'; '.join(map(_in_words, rows))}."
    )


def _in_words(row: dict[str, Any]) -> str:
    times = "no ratio" if row["ratio"] is None else f"{row['ratio']:.2f} times"
    between = f" ({row['interval'][0]:.2f} to {row['interval'][1]:.2f})" if row["interval"] else ""
    return f"{row['model']} {times}{between}, median latency {short_time(row['p50_us'])}"
