"""Memory and set-up time of a connection, beside the budget of the C10K problem."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from iolab.data.reference import rows_of
from iolab.display.units import short_bytes, short_time
from iolab.experiments.connections import MODELS, ConnectionCost, memory
from iolab.experiments.result import look_up
from iolab.figures.experiments.common import Point, Row, conclude, curve, decades, legend, points, size_axis, sources
from iolab.figures.style import GREY, SMALL_PT, CourseFigure, colour_of, in_style, log_axis, new, time_axis

KERNEL_SHARE = tuple(f"{kind}_bytes_per_connection" for kind in ("kernel_stacks", "slab", "page_tables"))


@in_style
def connection_cost(record: ConnectionCost) -> CourseFigure:
    """Draw memory and set-up time of a connection against the number of connections."""
    figure, (left, middle, right) = new(1, 3, height_in=3.8)
    for model in MODELS:
        for source, rows in reversed(sources(record)):
            memories = points(rows, "connections", "memory_bytes_per_connection", model=model)
            times = points(rows, "connections", "setup_us_per_connection", model=model)
            curve(left, memories, source, colour_of(model))
            curve(middle, _kernel(rows, model), source, colour_of(model))
            curve(right, times, source, colour_of(model))
    _budget(left)
    for axes in (left, middle):
        log_axis(axes.yaxis, "memory of a connection", short_bytes)
    low, high = zip(*(axes.get_ylim() for axes in (left, middle)), strict=True)
    for axes in (left, middle):
        axes.set_ylim(min(low), max(high))
    time_axis(right.yaxis, "set-up time of a connection")
    for axes in (left, middle, right):
        decades(axes.yaxis)
        size_axis(axes.xaxis, "connections, all idle")
    left.set_title("memory: the process")
    middle.set_title("memory: the kernel")
    right.set_title("time until it is served")
    legend(figure, {model: colour_of(model) for model in MODELS}, [source for source, _ in sources(record)])
    return conclude(figure, record, [_sentence(record, model) for model in MODELS])


def _kernel(rows: Sequence[Row], model: str) -> list[Point]:
    """Return the connections and the kernel's bytes for each of them, where the rows have these."""
    mine = [row for row in rows if row["model"] == model and row.get("slab_bytes_per_connection") is not None]
    return sorted((row["connections"], sum(row.get(kind) or 0 for kind in KERNEL_SHARE)) for row in mine)


def _budget(axes: Axes) -> None:
    budget_kb = look_up(rows_of("c10k-budget"), "per_client", resource="memory")
    if budget_kb:
        axes.axhline(budget_kb * 1000, color=GREY, linestyle=":")
        axes.annotate(
            "budget of C10K",
            (0.02, budget_kb * 1000),
            xycoords=("axes fraction", "data"),
            va="bottom",
            fontsize=SMALL_PT,
            color=GREY,
        )


def _sentence(record: ConnectionCost, model: str) -> str:
    memory_bytes, times = (
        memory(record.rows, model),
        points(record.rows, "connections", "setup_us_per_connection", model=model),
    )
    if memory_bytes is None or not times:
        return f"{model}: no figures on this machine."
    kernel = _kernel(record.rows, model)
    share = f", {short_bytes(kernel[-1][1])} of the kernel" if kernel else ""
    each = f"for each of {times[-1][0]:,} connections"
    return f"{model}: {short_bytes(memory_bytes)}{share} and {short_time(times[-1][1])} {each}."
