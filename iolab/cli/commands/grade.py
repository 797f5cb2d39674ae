"""`iolab grade`: answers before the judge, and the list of the exercises."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from iolab import exercises
from iolab.cli import terminal
from iolab.cli.arguments import json_option
from iolab.errors import UsageError, unknown
from iolab.exercises import EXERCISES, Report
from iolab.exercises.papers import Paper, find_papers
from iolab.exercises.protocol import printable


@click.command()
@click.argument("paths", metavar="[EXERCISE] [FILE|DIR]...", nargs=-1)
@click.option("--seed", type=click.IntRange(min=0), help="Draw the same test cases again.  [default: a random one]")
@click.option("--strict", is_flag=True, help="Exit with status 1 if a point is lost.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with status 1 if an answer has a smaller share of its points.",
)
@click.option("--list", "list_", is_flag=True, help="List the exercises instead.")
@json_option
def grade(
    paths: tuple[str, ...], seed: int | None, strict: bool, fail_under: float | None, list_: bool, json_: bool
) -> None:
    """Judge answers, each in a process of its own.

    An answer is a FILE.py or a notebook that defines what EXERCISE asks for. Without EXERCISE, the name of a file or
    its folder says what it answers, as 03-epoll.py does; of a DIR, all that do are judged.
    """
    if list_:
        _list_exercises(json_)
        return
    exercise, places = _split(paths)
    papers = find_papers(places, exercise)
    reports, failures = _judge_all(papers, seed, json_, is_one=len(papers) == 1 and not places[0].is_dir())
    if failures:
        raise UsageError(printable(f"{len(failures)} of {len(papers)} could not be judged: {'; '.join(failures)}"))
    enough = 100 if strict else fail_under or 0
    if any(report.score * 100 < enough * report.out_of for report in reports):
        raise SystemExit(1)


def _split(paths: Sequence[str]) -> tuple[str | None, list[Path]]:
    """Return the exercise, if one is named, and where answers are. Raise UsageError if nothing is to be judged."""
    first, *rest = paths or ("",)
    if first in EXERCISES and (rest or not Path(first).exists()):
        exercise, places = first, rest
    else:
        exercise, places = None, list(paths)
    if not places:
        raise UsageError("expected EXERCISE FILE, or files and folders; `iolab grade --list` names the exercises")
    if exercise is None and rest and not Path(first).exists() and not Path(first).suffix:
        raise unknown("exercise", first, EXERCISES)
    return exercise, list(map(Path, places))


def _judge_all(papers: Sequence[Paper], seed: int | None, json_: bool, is_one: bool) -> tuple[list[Report], list[str]]:
    """Judge all, show each report when it is there, and return them, and why others could not be judged."""
    rows: list[dict[str, Any]] = []
    reports, failures = [], []
    for paper in papers:
        try:
            report = exercises.grade(paper.exercise, paper.file, seed)
        except UsageError as error:
            if is_one:
                raise
            failures.append(f"{paper.file}: {error}")
            continue
        reports.append(report)
        rows.append({"file": printable(str(paper.file)), **report.as_dict()})
        if not json_:
            _show(report, "" if is_one else printable(f"{paper.file}: "))
    if json_:
        click.echo(json.dumps(reports[0].as_dict() if is_one else {"reports": rows, "failures": failures}))
    elif not is_one and rows:
        names = ("file", "exercise", "score", "out_of")
        terminal.show([terminal.table([{name: row[name] for name in names} for row in rows])])
    return reports, failures


def _show(report: Report, where: str) -> None:
    terminal.show([_checks(report)])
    click.echo(f"{where}{report}")


def _checks(report: Report) -> Table:
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
