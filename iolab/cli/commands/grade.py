"""`iolab grade`: an answer before the judge, and the list of the exercises."""

import json
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from iolab import exercises
from iolab.cli import terminal
from iolab.cli.arguments import json_option
from iolab.errors import UsageError
from iolab.exercises import EXERCISES


@click.command()
@click.argument("exercise", required=False)
@click.argument("answer", metavar="FILE.py", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), help="Draw the same test cases again.  [default: a random one]")
@click.option("--list", "list_", is_flag=True, help="List the exercises instead.")
@json_option
def grade(exercise: str | None, answer: Path | None, seed: int | None, list_: bool, json_: bool) -> None:
    """Judge FILE.py, which defines what EXERCISE asks for, in a process of its own."""
    if list_:
        _list_exercises(json_)
    elif exercise and answer:
        _judge(exercise, answer, seed, json_)
    else:
        raise UsageError("expected EXERCISE FILE.py; `iolab grade --list` names the exercises")


def _judge(exercise: str, answer: Path, seed: int | None, json_: bool) -> None:
    report = exercises.grade(exercise, answer, seed)
    if json_:
        click.echo(json.dumps(report.as_dict()))
    else:
        terminal.show([_checks(report)])
        click.echo(str(report))


def _checks(report: exercises.Report) -> Table:
    """Return what the judge found: one line for every property."""
    grid = terminal.plain_table()
    for check in report.checks:
        mark = Text("✓", style="green") if check.passed else Text("✗", style="red")
        grid.add_row(mark, check.name, f"{check.points if check.passed else 0}/{check.points}", Text(check.says))
    return grid


def _list_exercises(json_: bool) -> None:
    rows = [
        {"exercise": each.name, "asks": each.asks, "out_of": sum(one.points for one in each.properties)}
        for each in EXERCISES.values()
    ]
    if json_:
        click.echo(json.dumps(rows))
    else:
        grid = terminal.plain_table(gap=2, between_rows=1)
        for row in rows:
            grid.add_row(*(Text(str(value)) for value in row.values()))
        terminal.show([grid])
