"""What the GIL costs a server."""

from matplotlib.lines import Line2D

from iolab.experiments.interpreter_lock import CASES, Gil
from iolab.figures.experiments.common import HERE, RECORDED, conclude, decades, size_axis, sources
from iolab.figures.style import BESIDE, GREY, INK, CourseFigure, in_style, new

COLOURS = {HERE: INK, RECORDED: GREY}


@in_style
def gil(record: Gil) -> CourseFigure:
    """Draw the requests per second of one server in three cases."""
    figure, (axes,) = new(height_in=3)
    whose = sources(record)
    for number, (source, rows) in enumerate(whose):
        for row in [row for row in rows if row["per_s"]]:
            height = CASES.index(row["case"]) + 0.3 * (number - (len(whose) - 1) / 2)
            axes.plot(row["per_s"], height, source[2], color=COLOURS[source], markersize=9)
            text = f"{row['per_s']:,.0f}"
            axes.annotate(text, (row["per_s"], height), (8, 0), **BESIDE)
    axes.set_yticks(range(len(CASES)), CASES)
    axes.set_ylim(len(CASES) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    size_axis(axes.xaxis, "requests per second")
    decades(axes.xaxis)
    axes.set_title(record.title)
    handles = [Line2D([], [], color=COLOURS[each], linestyle="", marker=each[2], label=each[0]) for each, _ in whose]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return conclude(figure, record, [_sentence(row["case"], row["per_s"], row["why_not"]) for row in record.rows])


def _sentence(case: str, per_s: float | None, why_not: str) -> str:
    return f"{case}: {why_not}." if per_s is None else f"{case}: {per_s:,.0f} requests per second."
