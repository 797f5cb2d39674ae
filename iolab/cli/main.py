"""The course in a terminal: `iolab serve | load | compare | experiment | record | grade | lessons | doctor`."""

import io
import json
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console

from iolab.api import start, workloads_of
from iolab.cli.arguments import Address, Commands, Counts, FigureFile
from iolab.errors import UsageError

out = Console(highlight=False)


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json."""
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of a table.")(command)


def work(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that a load has."""
    options = (
        click.option("--seconds", type=float, help="How long to ask.  [default: 1]"),
        click.option("--requests", type=int, help="How many requests in all, instead of a time."),
        click.option("--size", "size_bytes", type=int, default=64, show_default=True, help="Bytes of a request."),
        click.option("--rate", "rate_per_s", type=float, help="Open loop: requests per second in all, on a schedule."),
        click.option("--spin", is_flag=True, help="Never sleep: takes a CPU, and leaves the client's wake-ups out."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iolab")
def main() -> None:
    """Learn the network I/O models by running them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without µ gets a question mark


@main.command()
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=0, help="Port to listen on.  [default: one that is free]")
@click.option("--expose", is_flag=True, help="Let other machines in: allow an address that is not loopback.")
@as_json
def serve(model: str, host: str, port: int, expose: bool, json_: bool) -> None:
    """Serve MODEL until Ctrl-C: answer every request in upper case."""
    with start(model, host=host, port=port, expose=expose) as server:
        try:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            bound, number = server.address
            if json_:
                click.echo(json.dumps({"model": model, "host": bound, "port": number}))
            else:
                click.echo(f"{model} serves on {bound}:{number}; Ctrl-C ends it")
            # The main thread must sleep in one call: one that runs Python takes the GIL from the server.
            server.wait()
        except KeyboardInterrupt:
            pass


@main.command()
@click.argument("address", type=Address())
@click.option("--connections", type=int, default=10, show_default=True, help="Connections at once.")
@work
@click.option(
    "--dask", "scheduler", metavar="SCHEDULER", help="Ask from every worker of the Dask cluster at this HOST:PORT."
)
@as_json
def load(address: tuple[str, int], scheduler: str | None, json_: bool, **options: Any) -> None:
    """Put a load on the server at HOST:PORT that answers in upper case, and check every reply."""
    from iolab.cli import terminal
    from iolab.display import bars
    from iolab.traffic.process import load as drive
    from iolab.traffic.workload import Workload

    if scheduler:
        from iolab.cli import reports

        reports.load(scheduler, address, options, out, json_)
        return

    workload = Workload(**options)
    with bars.bar(quiet=json_) as show:
        records = drive(address, workload, on_tick=lambda tick: show(f"{address[0]}:{address[1]}", tick))
    if json_:
        click.echo(json.dumps(records.summary()))
    else:
        out.print(terminal.table([records.summary()]))
        _print_each(terminal.plot([records.summary()], "service time"))
        _print_each(terminal.notes(records.doubts()))


@main.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--connections", type=Counts(), default="10", show_default=True, help="Connections at once; each number is a run."
)
@click.option(
    "--repeats", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of each; models take turns."
)
@click.option("--figure", type=FigureFile(), help="Write the percentile curves to this file: .png, .svg or .pdf.")
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Run the experiment of this recorded run here, and put the two side by side; "
    "named in the place of MODEL, a recorded run of yours is taken instead.",
)
@work
@as_json
def compare(
    models: tuple[str, ...],
    connections: tuple[int, ...],
    repeats: int,
    figure: Path | None,
    against: Path | None,
    json_: bool,
    **options: Any,
) -> None:
    """Put the same load on each MODEL (all that run here, if none is named)."""
    from iolab.cli import reports, terminal
    from iolab.display import bars
    from iolab.measurement.comparison import compare as run_all
    from iolab.models import choose
    from iolab.traffic.workload import Load

    if against:
        reports.compare(against, models, out, json_)
        return

    with bars.bar(quiet=json_) as show:
        made = run_all(
            choose(models),
            workloads_of(connections, cast("Load", options)),
            repeats=repeats,
            on_run=lambda model, count, tick: show(f"{model} @{count}", tick),
        )
    if json_:
        click.echo(
            json.dumps(
                {
                    "rows": made.ranking,
                    "left_out": made.left_out,
                    "placement": str(made.runs[0].placement),
                    "doubts": [doubt.as_dict() for doubt in made.doubts],
                }
            )
        )
    else:
        out.print(terminal.table(made.ranking))
        _print_each(terminal.plot(made.ranking, "{model} @{connections}"))
        out.print(str(made.runs[0].placement), style="dim")
        missing = [f"{name} cannot run here: {why}" for name, why in made.left_out.items() if name in models]
        _print_each(terminal.notes([*missing, *made.doubts, *made.too_few]))
    if figure:
        _write_figure(figure, made.runs)
        click.echo(f"the percentile curves are in {figure}", err=json_)


@main.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option("--figure", type=FigureFile(), help="Write the figure to this file: .png, .svg or .pdf.")
@as_json
def experiment(name: str, figure: Path | None, json_: bool) -> None:
    """Run one EXPERIMENT of the literature here, and hold its shape against what is published."""
    from iolab.cli import reports

    reports.experiment(name, figure, out, json_)


@main.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT]...")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/recorded"),
    show_default=True,
    help="Folder to write to.",
)
@as_json
def record(names: tuple[str, ...], folder: Path, json_: bool) -> None:
    """Record each EXPERIMENT (all of them, if none is named) on this machine, one file each."""
    from iolab.cli import reports

    reports.record(names, folder, json_)


@main.command()
@click.argument("exercise", required=False)
@click.argument("answer", metavar="FILE.py", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), help="Draw the same cases again.  [default: one that is drawn]")
@click.option("--list", "list_", is_flag=True, help="List the exercises instead.")
@as_json
def grade(exercise: str | None, answer: Path | None, seed: int | None, list_: bool, json_: bool) -> None:
    """Judge FILE.py, which defines what EXERCISE asks for, in a process of its own."""
    from iolab.cli import reports

    if list_:
        reports.exercises(out, json_)
    elif exercise and answer:
        reports.grade(exercise, answer, seed, out, json_)
    else:
        raise UsageError("expected EXERCISE FILE.py; `iolab grade --list` names the exercises")


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Take the course's text of a lesson that you changed; yours is lost.")
@as_json
def lessons(folder: Path, replace: bool, json_: bool) -> None:
    """Copy the lessons to DIR; what you changed there is kept."""
    from iolab.course.lessons import copy

    done = copy(folder, replace=replace)
    click.echo(json.dumps(done.as_dict()) if json_ else "\n".join(done.lines()))


@main.command()
@as_json
def doctor(json_: bool) -> None:
    """Say what this machine can run, and why not."""
    from iolab.cli import terminal
    from iolab.health import doctor as look

    found = look()
    if json_:
        click.echo(json.dumps(found.as_dict()))
    else:
        _print_each(terminal.report(found))


def _print_each(drawn: Iterable[Any]) -> None:
    for each in drawn:
        out.print(each)


def _write_figure(path: Path, runs: Any) -> None:
    from iolab import figures

    try:
        figures.percentiles(*runs).savefig(path)
    except OSError as error:
        raise UsageError(f"cannot write the figure to {path}: {error.strerror}") from None
