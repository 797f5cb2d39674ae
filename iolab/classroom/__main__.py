"""What `make release`, `make grade`, `make export`, `make similar` and `make progress` call."""

from pathlib import Path
from typing import Any

import click

from iolab.classroom.course import Course
from iolab.classroom.export import Roster
from iolab.classroom.judging import NotJudged, Submission, judge_all, list_submissions, save_outcome
from iolab.classroom.similar import SHARE, list_similar
from iolab.classroom.standing import count_verdicts, list_standings
from iolab.display import tables
from iolab.errors import UsageError
from iolab.exercises import Report, find
from iolab.exercises.papers import read_answer
from iolab.exercises.protocol import printable

SOURCE = Path("notebooks/exercises")


class ClassCommands(click.Group):
    """Commands whose known errors end in one line and exit status 2, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and say what stopped it."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(" ".join(str(error).split())) from None
        except OSError as error:
            if not error.filename:
                raise
            says = f"{error.filename}: {error.strerror}; make it yours (chown), or name another folder with --course"
            raise click.UsageError(printable(says)) from None


def add_course_options(command: Any) -> Any:
    """Add the options that say which course it is."""
    kind = click.Path(file_okay=False, path_type=Path)
    for option in (
        click.option("--course", "root", type=kind, default=Path("build/class"), help="The folder of the class."),
        click.option("--source", type=kind, default=SOURCE, help="The notebooks with the solutions."),
        click.option("--database", default="", help="The gradebook: an SQLAlchemy URL.  [default: a SQLite file]"),
    ):
        command = option(command)
    return command


@click.group(cls=ClassCommands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Hand out the exercises, and grade what comes back."""


@main.command()
@click.argument("exercises", nargs=-1, metavar="[EXERCISE]...")
@add_course_options
def release(exercises: tuple[str, ...], root: Path, source: Path, database: str) -> None:
    """Make the students' version of each EXERCISE (all, if none is named)."""
    for folder in Course(root, source, database).release(exercises):
        click.echo(str(folder))


@main.command("grade")
@click.option("--scheduler", help="Address of a Dask scheduler.  [default: a cluster of this machine]")
@add_course_options
def grade_class(scheduler: str | None, root: Path, source: Path, database: str) -> None:
    """Grade everything in the class's folder `submitted/STUDENT/EXERCISE/`."""
    course = Course(root, source, database)
    submissions = list_submissions(root / "submitted", course.exercises)

    def on_report(submission: Submission, outcome: Report | NotJudged) -> None:
        save_outcome(outcome, course.path_of_report(submission))
        score = outcome if isinstance(outcome, NotJudged) else f"{outcome.score} of {outcome.out_of}"
        click.echo(printable(f"{submission.student}, {submission.exercise}: {score}"), err=True)

    course.release(sorted({each.exercise for each in submissions}))  # the gradebook must know what there was to do
    judge_all(submissions, course.secret, scheduler, on_report)
    rows, failures = _score_all(course, submissions)
    click.echo(tables.as_text(rows))
    click.echo(f"feedback: {root / 'feedback'}; gradebook: {database or root / 'gradebook.db'}")
    if failures:
        raise UsageError(printable(f"{len(failures)} of {len(submissions)} could not be scored: {'; '.join(failures)}"))


@main.command()
@click.argument("roster", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "path", type=click.Path(dir_okay=False, path_type=Path), help="The file.  [default: grades.csv]")
@click.option("--key", metavar="COLUMN", help="The column with the names of the students' folders.  [default: found]")
@add_course_options
def export(roster: Path, path: Path | None, key: str | None, root: Path, source: Path, database: str) -> None:
    """Write the scores for Canvas or Moodle, by ROSTER, the list of students in CSV that the platform gives."""
    scores, out_of = Course(root, source, database).grades()
    students, path = Roster.read(roster), path or root / "grades.csv"
    key = students.key(list(scores), key)
    path.write_text(students.with_scores(scores, out_of, key), encoding="utf-8")
    click.echo(f"{path}: {len(students.rows)} students by {key}, for {students.platform.title()}")
    click.echo(", ".join(f"{name} is out of {points:g}" for name, points in out_of.items()))
    if strangers := students.strangers(list(scores), key):
        raise UsageError(printable(f"not in {roster}, and so without a line: {', '.join(strangers)}"))


@main.command()
@click.option("--least", type=click.FloatRange(0, 1), default=SHARE, help="Show those who share so much.")
@add_course_options
def similar(least: float, root: Path, source: Path, database: str) -> None:
    """Show which answers to the same exercise resemble each other, and the course's solution."""
    course = Course(root, source, database)
    submissions, rows = list_submissions(root / "submitted", course.exercises), []
    for name in sorted({each.exercise for each in submissions}):
        answers = {printable(each.student): each.answer or "" for each in submissions if each.exercise == name}
        answers["the course's solution"] = read_answer(source / name / f"{name}.ipynb")
        rows += [{"exercise": name, **row} for row in list_similar(answers, find(name).stub, least)]
    click.echo(tables.as_text(rows) or f"no two of {len(submissions)} answers share {least:.0%}")


@main.command()
@add_course_options
def progress(root: Path, **_: object) -> None:
    """Show how far each student is whose progress file is in `submitted/STUDENT/`, and their verdicts."""
    click.echo(tables.as_text(list_standings(root / "submitted")))
    if rows := count_verdicts(root / "submitted"):
        click.echo("\n" + tables.as_text(rows))


def _score_all(course: Course, submissions: list[Submission]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of all that can be scored, and why others cannot."""
    rows, failures = [], []
    for each in submissions:
        try:
            row = course.score(each)
        except UsageError as error:
            failures.append(str(error))
            row = {"student": each.student, "exercise": each.exercise, "score": None, "out of": None}
        rows.append(row | {"student": printable(each.student)})
    return rows, failures


if __name__ == "__main__":
    main(prog_name="python -m iolab.classroom")
