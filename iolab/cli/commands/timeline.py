"""`iolab timeline`: what a server's threads do, call by call."""

import json
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from iolab.cli import terminal
from iolab.cli.arguments import FigureFile, OutputFile, json_option, load_options
from iolab.display.units import count
from iolab.models import resolve
from iolab.trace import timeline as trace
from iolab.trace.timeline import Timeline
from iolab.traffic.workload import Workload

REQUESTS = 200
"""How many requests are recorded, unless a number or a time is given."""


@click.command()
@click.argument("model")
@click.option("--connections", type=int, default=1, show_default=True, help="Connections at once.")
@click.option("--steps", is_flag=True, help="Record the steps of the kernel as well: takes root.")
@click.option("--worker", type=int, help="Which worker of a server that has many: the first is 1.")
@click.option("--figure", type=FigureFile(), help="Draw a typical stretch into this file: .png, .svg or .pdf.")
@click.option("--trace", type=OutputFile(), help="Write Chrome trace events, which ui.perfetto.dev opens.")
@click.option("--replay", type=OutputFile(), help="Write a page that plays the run in slow motion, in any browser.")
@load_options
@json_option
def timeline(
    model: str,
    connections: int,
    steps: bool,
    worker: int | None,
    figure: Path | None,
    trace: Path | None,
    replay: Path | None,
    json_: bool,
    **options: Any,
) -> None:
    """Put a load on MODEL, and say for each call how long its thread was asleep, waking, and running."""
    if options["seconds"] is None and options["requests"] is None:
        options["requests"] = max(REQUESTS, connections)
    recording = record(model, Workload(connections=connections, **options), steps, worker, json_)
    write(recording, json_, figure, trace, replay)


def record(model: str, workload: Workload, steps: bool, worker: int | None, json_: bool) -> Timeline:
    """Record a timeline, and print it."""
    with terminal.steps(quiet=json_) as on_step:
        on_step(f"recording {model}")
        recording = trace.timeline(resolve(model), workload, steps=steps, worker=worker)
    if json_:
        click.echo(json.dumps(recording.as_dict()))
    else:
        conditions = f"of {count(len(recording.records), 'request')}, the mean; {recording.placement}"
        terminal.show([terminal.table(recording.rows), Text(conditions, style="dim")])
        terminal.show(terminal.notes([*recording.doubts, *recording.records.doubts()]))
    return recording


def write(recording: Timeline, json_: bool, figure: Path | None, chrome: Path | None, page: Path | None) -> None:
    """Write a timeline to the files that were named."""
    if chrome:
        recording.write_chrome_trace(chrome)
        click.echo(f"the trace is in {chrome}; open it in ui.perfetto.dev", err=json_)
    if figure:
        from iolab import figures  # matplotlib takes half a second

        terminal.save_figure(figures.phases(recording), figure)
        click.echo(f"the figure is in {figure}", err=json_)
    if page:
        from iolab.playback.player import replay

        click.echo(f"the replay is in {replay(recording).save(page)}; open it in a browser", err=json_)
