"""Coordinated omission: percentiles by three clocks, beside those of wrk2."""

from matplotlib.axes import Axes

from iolab.data.reference import rows_of
from iolab.display.units import short_time
from iolab.experiments.stalls import CLOSED, DUE, PERCENTS, SENT, Omission
from iolab.figures.experiments.common import PUBLISHED, Row, conclude, curve, legend, sources
from iolab.figures.style import (
    CLOCKS,
    CourseFigure,
    in_style,
    new,
    quantile_axis,
    rarity,
    time_axis,
)

COLOURS = dict(zip((CLOSED, SENT, DUE), CLOCKS.values(), strict=True))
WRK2 = {SENT: "uncorrected_ms", DUE: "corrected_ms"}


@in_style
def omission(record: Omission) -> CourseFigure:
    """Draw the percentiles of one stalling server by three clocks, beside the run of wrk2's README."""
    figure, (axes,) = new(height_in=4)
    published = rows_of("wrk2-omission")
    for clock, column in WRK2.items():
        wrk2 = [(float(rarity(row["percentile"])), row[column] * 1e3) for row in published if row["percentile"] < 100]
        curve(axes, wrk2, PUBLISHED, COLOURS[clock])
    for source, rows in reversed(sources(record)):
        for row in rows:
            curve(axes, _points(row), source, COLOURS[row["clock"]])
    _axes(axes)
    axes.set_title(record.title)
    names = {clock.removeprefix("open loop, "): colour for clock, colour in COLOURS.items()}
    legend(figure, names, [source for source, _ in sources(record)] + ([PUBLISHED] if published else []))
    return conclude(figure, record, [_sentence(row) for row in record.rows])


def _points(row: Row) -> list[tuple[float, float]]:
    percents = {figure: percent for figure, percent in PERCENTS.items() if percent < 100}
    return [(float(rarity(percent)), row[figure]) for figure, percent in percents.items() if row[figure] is not None]


def _axes(axes: Axes) -> None:
    time_axis(axes.yaxis, "latency")
    quantile_axis(axes, float(rarity(99.99)))


def _sentence(row: Row) -> str:
    if row["p99_us"] is None:
        return f"{row['clock']}: {row['why_not']}."
    return f"{row['clock']}: median {short_time(row['p50_us'])}, 99 % within {short_time(row['p99_us'])}."
