"""`iolab load`: a load on a server that runs already, from this machine or from many."""

import json
from typing import Any

import click

from iolab.cli import terminal
from iolab.cli.arguments import ServerAddress, json_option, load_options
from iolab.display.progress_bar import progress_bar
from iolab.traffic import process
from iolab.traffic.workload import Workload


@click.command()
@click.argument("address", type=ServerAddress())
@click.option("--connections", type=int, default=10, show_default=True, help="Connections at once.")
@load_options
@click.option(
    "--dask", "scheduler", metavar="SCHEDULER", help="Ask from every worker of the Dask cluster at this HOST:PORT."
)
@json_option
def load(address: tuple[str, int], scheduler: str | None, json_: bool, **options: Any) -> None:
    """Put a load on the server at HOST:PORT, which answers in upper case, and check every reply."""
    if scheduler:
        _load_from_cluster(scheduler, address, options, json_)
    else:
        _load_from_here(address, Workload(**options), json_)


def _load_from_here(address: tuple[str, int], workload: Workload, json_: bool) -> None:
    with progress_bar(quiet=json_) as show:
        records = process.load(address, workload, on_tick=lambda tick: show(f"{address[0]}:{address[1]}", tick))
    summary = records.summary()
    if json_:
        click.echo(json.dumps(summary))
    else:
        terminal.show(terminal.load_tables(summary))
        terminal.show(terminal.notes(records.doubts()))


def _load_from_cluster(scheduler: str, address: tuple[str, int], options: dict[str, Any], json_: bool) -> None:
    """Print what every machine measured; exit with 1 if one was lost."""
    from iolab.traffic.cluster import drive  # it needs distributed, which few have

    workload = Workload(**options)
    with terminal.steps(quiet=json_) as on_step:
        on_step(f"connecting from the workers of {scheduler}")
        merged = drive.load(
            scheduler,
            address,
            workload,
            on_tick=lambda tick: on_step(f"{tick.requests:,} requests, {tick.errors:,} errors, {tick.done:.0%}"),
        )
    if json_:
        click.echo(json.dumps(merged.as_dict()))
    else:
        workers = [{key: row[key] for key in row if key not in terminal.NARROW} for row in merged.rows()]
        terminal.show([*terminal.load_tables(merged.summary()), terminal.table(workers)])
        terminal.show(terminal.notes(merged.doubts))
    if merged.lost:
        raise SystemExit(1)
