"""`iolab compare`: several models under one load, or two recorded runs side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from rich.text import Text

from iolab import experiments
from iolab.api import workloads_of
from iolab.archive import results
from iolab.cli import terminal
from iolab.cli.arguments import Counts, FigureFile, json_option, load_options
from iolab.display.progress_bar import progress_bar
from iolab.errors import UsageError
from iolab.experiments.result import Result
from iolab.experiments.shape import short
from iolab.measurement import comparison
from iolab.models import choose

if TYPE_CHECKING:
    from iolab.traffic.workload import Load


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--connections",
    type=Counts(),
    default="10",
    show_default=True,
    help="Connections at once; a run for each number.",
)
@click.option(
    "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each; the models take turns."
)
@click.option("--baseline", metavar="MODEL", help="Hold the others against this one.  [default: epoll, or the first]")
@click.option("--order-seed", type=int, metavar="N", help="Draw the order of the models from this number.")
@click.option("--fresh", is_flag=True, help="Make each run in a process of its own: half a second more for each.")
@click.option("--figure", type=FigureFile(), help="Write the percentile curves to this file: .png, .svg or .pdf.")
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Repeat the experiment recorded in FILE, and show both runs side by side; "
    "in place of MODEL, name a recorded run of your own to show that instead.",
)
@load_options
@json_option
def compare(
    models: tuple[str, ...],
    connections: tuple[int, ...],
    repeats: int,
    baseline: str | None,
    order_seed: int | None,
    fresh: bool,
    figure: Path | None,
    against: Path | None,
    json_: bool,
    **options: Any,
) -> None:
    """Put the same load on each MODEL (all that run here, if none is named)."""
    if against:
        _compare_recorded(against, models, json_)
        return
    with progress_bar(quiet=json_) as show:
        runs = comparison.compare(
            choose(models),
            workloads_of(connections, cast("Load", options)),
            repeats=repeats,
            baseline=baseline,
            order_seed=order_seed,
            fresh=fresh,
            on_run=lambda model, count, tick: show(f"{model} @{count}", tick),
        )
    placement = str(runs.runs[0].placement)
    if json_:
        doubts = [doubt.as_dict() for doubt in (*runs.doubts, *runs.too_few)]
        about = {"left_out": runs.left_out, "baseline": runs.baseline, "order_seed": runs.order_seed}
        click.echo(json.dumps({"rows": runs.ranking, **about, "placement": placement, "doubts": doubts}))
    else:
        missing = [f"{name} cannot run here: {why}" for name, why in runs.left_out.items() if name in models]
        terminal.show([terminal.table(runs.ranking), *terminal.plot(runs.ranking, "{model} @{connections}")])
        terminal.show([Text(placement, style="dim"), *terminal.notes([*missing, *runs.doubts, *runs.too_few])])
    if figure:
        from iolab import figures  # matplotlib takes half a second

        terminal.save_figure(figures.percentiles(*runs.runs), figure)
        click.echo(f"the percentile curves are in {figure}", err=json_)


def _compare_recorded(against: Path, files: Sequence[str], json_: bool) -> None:
    with terminal.steps(quiet=json_) as on_step:
        here, there = pair(against, files, on_step=on_step)
    rows, shape = results.side_by_side(here, there), results.same_shape(here, there)
    if json_:
        click.echo(json.dumps({"rows": rows, "verdict": vars(shape)}))
    else:
        terminal.show([terminal.table([row | {"ratio": short(row["ratio"])} for row in rows])])
        click.echo(f"here: {here.placement}\nthere: {there.placement}\n{shape}")


def pair(against: Path, files: Sequence[str] = (), **sizes: Any) -> tuple[Result, Result]:
    """Return a run of this machine and the recorded one: the one in `files`, or else one that is run now.

    Raise UsageError for a file that is not a recorded run, and for more than one.
    """
    there = results.read(against)
    if len(files) > 1:
        raise UsageError(f"--against takes at most one recorded run of yours, not {len(files)}")
    return (results.read(Path(files[0])) if files else experiments.find(there.name)(**sizes)), there
