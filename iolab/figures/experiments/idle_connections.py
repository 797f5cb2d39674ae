"""The cost of a request against the number of idle connections."""

from collections.abc import Sequence

from iolab.display.units import short_time
from iolab.experiments.idle_connections import IdleCost
from iolab.figures.experiments.common import (
    Point,
    Row,
    conclude,
    curve,
    decades,
    legend,
    name_ends,
    points,
    size_axis,
    sources,
    widths,
)
from iolab.figures.style import CourseFigure, colour_of, in_style, new, time_axis

MODELS = ("select", "poll", "epoll")
ACTIVE = 10
"""No idle connection has no place on a logarithmic axis: so count all of them."""


@in_style
def idle_cost(record: IdleCost) -> CourseFigure:
    """Draw CPU time and median latency of a request against the number of connections, all but 10 idle."""
    figure, (left, right) = new(1, 2, height_in=3.8)
    for axes, figure_of, label in (
        (left, "cpu_us_per_request", "CPU time of a request"),
        (right, "p50_us", "median latency"),
    ):
        for model, width in zip(MODELS, widths(len(MODELS)), strict=True):
            for source, rows in reversed(sources(record)):
                curve(axes, _points(rows, figure_of, model), source, colour_of(model), width)
        size_axis(axes.xaxis, f"connections, {ACTIVE} of them active")
        time_axis(axes.yaxis, label)
        decades(axes.yaxis)
        name_ends(axes, {model: _points(record.rows, figure_of, model) for model in MODELS})
    left.set_title("what a request costs the server")
    right.set_title("what the client sees")
    legend(figure, {model: colour_of(model) for model in MODELS}, [source for source, _ in sources(record)])
    return conclude(figure, record, [_sentence(record, model) for model in MODELS])


def _points(rows: Sequence[Row], figure: str, model: str) -> list[Point]:
    return [(idle + ACTIVE, value) for idle, value in points(rows, "idle", figure, model=model)]


def _sentence(record: IdleCost, model: str) -> str:
    mine = points(record.rows, "idle", "cpu_us_per_request", model=model)
    if not mine:
        return f"{model}: no figures on this machine."
    (few, least), (many, most) = mine[0], mine[-1]
    return f"{model}: {short_time(least)} a request with {few:,} idle, {short_time(most)} with {many:,}."
