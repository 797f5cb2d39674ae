"""`iolab record`: the experiments of this machine, each in a file."""

import json
from pathlib import Path

import click

from iolab import experiments
from iolab.archive import provenance, results
from iolab.cli import terminal
from iolab.cli.arguments import json_option


@click.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT]...")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/recorded"),
    show_default=True,
    help="Folder to write to.",
)
@json_option
def record(names: tuple[str, ...], folder: Path, json_: bool) -> None:
    """Record each EXPERIMENT (all of them, if none is named) on this machine, in one file each."""
    chosen, files = [experiments.find(name) for name in names or experiments.EXPERIMENTS], []
    provenance.ensure_writable(folder)
    for run in chosen:
        with terminal.steps(quiet=json_) as on_step:
            result = run(on_step=on_step)
        files.append(str(results.save(result, folder, results.command(result.name))))
        if not json_:
            click.echo(f"{files[-1]}: same shape: {result.verdict.word}")
    if json_:
        click.echo(json.dumps({"files": files}))
