"""How often one server under several names is called different from itself."""

from matplotlib.ticker import PercentFormatter

from iolab.experiments.equals import ANY, EACH, HOLM, WAYS, Same
from iolab.figures.experiments.common import conclude, curve, legend, points, size_axis, sources, widths
from iolab.figures.style import COLUMNS, GREY, CourseFigure, in_style, new
from iolab.measurement.statistics import ERROR

COLOURS = dict(zip((EACH, ANY, HOLM), COLUMNS, strict=False))


@in_style
def same(record: Same) -> CourseFigure:
    """Draw the share of comparisons and of rankings that call equals different, against the number of models."""
    figure, (axes,) = new(height_in=3.6)
    axes.axhline(ERROR, color=GREY, linewidth=1)
    axes.annotate("the promise: 5 %", (1, ERROR), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    for way, width in zip((ANY, HOLM, EACH), widths(len(WAYS)), strict=True):
        for source, rows in reversed(sources(record)):
            curve(axes, points(rows, "models", "share", way=way), source, COLOURS[way], width)
    size_axis(axes.xaxis, "models in a ranking, all of them equal")
    models = sorted({row["models"] for row in record.rows})
    axes.set_xticks(models, [str(count) for count in models])
    axes.set_ylim(-ERROR / 10, None)  # so that the marks at 0 are whole
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("share that calls one different")
    axes.set_title(record.title)
    legend(figure, COLOURS, [source for source, _ in sources(record)])
    return conclude(figure, record, [_sentence(record, way) for way in WAYS])


def _sentence(record: Same, way: str) -> str:
    mine = [row for row in record.rows if row["way"] == way and row["judged"]]
    if not mine:
        return f"{way}: no figures on this machine."
    counts = ", ".join(f"{row['different']} of {row['judged']} with {row['models']} models" for row in mine)
    return f"{way[0].upper()}{way[1:]}: different in {counts}."
