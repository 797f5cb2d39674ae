"""What `make release` and `make grade` call."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from iolab.classroom.course import Course
from iolab.classroom.judging import Submission, judged, keep, submissions
from iolab.cli import terminal
from iolab.cli.arguments import Commands

SOURCE = Path("notebooks/exercises")


def course(command: Any) -> Any:
    """Add the options that say which course it is."""
    kind = click.Path(file_okay=False, path_type=Path)
    for option in (
        click.option("--course", "root", type=kind, default=Path("build/class"), help="The folder of the class."),
        click.option("--source", type=kind, default=SOURCE, help="The notebooks with the solutions."),
        click.option("--database", default="", help="The gradebook: an SQLAlchemy URL.  [default: a SQLite file]"),
    ):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Hand out the exercises, and grade what comes back."""


@main.command()
@click.argument("exercises", nargs=-1, metavar="[EXERCISE]...")
@course
def release(exercises: tuple[str, ...], root: Path, source: Path, database: str) -> None:
    """Make what students get of each EXERCISE (all, if none is named)."""
    for folder in Course(root, source, database).release(exercises):
        click.echo(str(folder))


@main.command()
@click.option("--scheduler", help="Address of a Dask scheduler.  [default: a cluster of this machine]")
@click.option("--seed", default="iolab", help="What the cases of this course are drawn from.")
@course
def grade(scheduler: str | None, seed: str, root: Path, source: Path, database: str) -> None:
    """Grade all that stands in the class's folder `submitted/STUDENT/EXERCISE/`."""
    made = Course(root, source, database)
    handed_in = submissions(root / "submitted", made.exercises)
    console = Console(highlight=False)

    def kept(submission: Submission, report: dict[str, Any]) -> None:
        keep(report, made.report_of(submission))
        said = report.get("unread") or f"{report['score']} of {report['out_of']}"
        click.echo(f"{submission.student}, {submission.exercise}: {said}", err=True)

    made.release(sorted({each.exercise for each in handed_in}))  # the gradebook must know what there was to do
    judged(handed_in, seed, scheduler, kept)
    console.print(terminal.table([made.score(each) for each in handed_in]))
    click.echo(f"feedback: {root / 'feedback'}; gradebook: {database or root / 'gradebook.db'}")


if __name__ == "__main__":
    main(prog_name="python -m iolab.classroom")
