"""`iolab doctor`: what this machine can run, and why it cannot run the rest."""

import json
from collections.abc import Iterator

import click
from rich.table import Table
from rich.text import Text

from iolab import health
from iolab.cli import terminal
from iolab.cli.arguments import json_option


@click.command()
@json_option
def doctor(json_: bool) -> None:
    """Show what this machine can run, and why it cannot run the rest."""
    report = health.doctor()
    if json_:
        click.echo(json.dumps(report.as_dict()))
    else:
        terminal.show(health_tables(report))


def health_tables(report: health.Checkup) -> Iterator[Table]:
    """Yield the machine as a table, then the models."""
    machine = terminal.plain_table(gap=2)
    for finding in report.findings:
        machine.add_row(finding.what, finding.value, Text(finding.means, style="dim"))
    yield machine
    models = terminal.plain_table(gap=2)
    for row in report.models:
        runs = Text("runs", style="green") if row["runs"] else Text("cannot run", style="red")
        models.add_row(row["model"], runs, Text(row["why_not"] or ""))
    yield models
