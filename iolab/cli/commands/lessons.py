"""`iolab lessons`: the lessons in a folder of the learner's own."""

import json
from pathlib import Path

import click

from iolab.cli.arguments import json_option
from iolab.course.lessons import copy


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--update", is_flag=True, help="Take newer texts of what you changed; yours stays beside them.")
@json_option
def lessons(folder: Path, update: bool, json_: bool) -> None:
    """Lay out the lessons in DIR; what you changed there is left alone."""
    copies = copy(folder, update=update)
    click.echo(json.dumps(copies.as_dict()) if json_ else "\n".join(copies.lines()))
