"""`iolab lessons`: the lessons in a folder of the learner's own."""

import json
from pathlib import Path

import click

from iolab.cli.arguments import json_option
from iolab.course.lessons import copy


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Overwrite the lessons that you changed; your changes are lost.")
@json_option
def lessons(folder: Path, replace: bool, json_: bool) -> None:
    """Copy the lessons to DIR; those that you changed there are left alone."""
    copies = copy(folder, replace=replace)
    click.echo(json.dumps(copies.as_dict()) if json_ else "\n".join(copies.lines()))
