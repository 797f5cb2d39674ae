"""`iolab experiment`: one experiment, beside what was published or is to be expected."""

import json
from pathlib import Path

import click
from rich.text import Text

from iolab import experiments
from iolab.archive import results
from iolab.cli import terminal
from iolab.cli.arguments import FigureFile, json_option


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option("--figure", type=FigureFile(), help="Write the figure to this file: .png, .svg or .pdf.")
@json_option
def experiment(name: str, figure: Path | None, json_: bool) -> None:
    """Run one EXPERIMENT here, and compare its shape with what was published, or what is to be expected."""
    with terminal.steps(quiet=json_) as on_step:
        result = experiments.find(name)(on_step=on_step)
    if json_:
        whole = results.with_circumstances(result, results.command(name)) | {"verdict": vars(result.verdict)}
        click.echo(json.dumps(whole))
    else:
        lines = [Text(result.placement, style="dim"), *(Text(f"! {note}", style="yellow") for note in result.notes)]
        for part in (terminal.table(result.table()), *lines, Text(str(result.verdict))):
            terminal.console.print(part, soft_wrap=True)
    if figure:
        from iolab.figures.experiments import experiment as draw  # matplotlib takes half a second

        terminal.save_figure(draw(result), figure)
