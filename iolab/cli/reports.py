"""What commands print: experiments, exercises, and a load from many machines."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iolab import experiments
from iolab.archive import provenance, results
from iolab.cli import terminal
from iolab.errors import UsageError
from iolab.experiments.result import Result
from iolab.experiments.shape import short


def experiment(name: str, figure: Path | None, out: Any, json_: bool) -> None:
    """Run one experiment, print it to the console `out`, and draw it."""
    with terminal.steps(quiet=json_) as on_step:
        made = experiments.find(name)(on_step=on_step)
    if json_:
        print(json.dumps(results.with_circumstances(made, results.command(name)) | {"verdict": vars(made.verdict)}))
    else:
        for drawn in terminal.experiment(made):
            out.print(drawn, soft_wrap=True)
    if figure:
        _draw(made, figure)


def record(names: Sequence[str], folder: Path, json_: bool) -> None:
    """Record experiments, all of them if none is named, and print where they are."""
    chosen, files = [experiments.find(name) for name in names or experiments.EXPERIMENTS], []
    provenance.ensure_writable(folder)
    for run in chosen:
        with terminal.steps(quiet=json_) as on_step:
            made = run(on_step=on_step)
        files.append(str(results.save(made, folder, results.command(made.name))))
        if not json_:
            print(f"{files[-1]}: same shape: {made.verdict.word}", flush=True)
    if json_:
        print(json.dumps({"files": files}))


def compare(against: Path, files: Sequence[str], out: Any, json_: bool) -> None:
    """Print a run of this machine and a recorded one side by side."""
    with terminal.steps(quiet=json_) as on_step:
        here, there = pair(against, files, on_step=on_step)
    rows, shape = results.side_by_side(here, there), results.same_shape(here, there)
    if json_:
        print(json.dumps({"rows": rows, "verdict": vars(shape)}))
    else:
        shown = [row | {"ratio": short(row["ratio"])} for row in rows]
        out.print(terminal.table(shown))
        print(f"here: {here.placement}\nthere: {there.placement}\n{shape}")


def load(scheduler: str, address: tuple[str, int], work: Mapping[str, Any], out: Any, json_: bool) -> None:
    """Put a load on a server from many machines, and print what they measured; exit with 1 if one was lost."""
    from iolab.traffic.cluster import drive
    from iolab.traffic.workload import Workload

    workload = Workload(**work)
    with terminal.steps(quiet=json_) as on_step:
        on_step(f"connecting from the workers of {scheduler}")
        made = drive.load(
            scheduler,
            address,
            workload,
            on_tick=lambda tick: on_step(f"{tick.requests:,} requests, {tick.errors:,} errors, {tick.done:.0%}"),
        )
    if json_:
        print(json.dumps(made.as_dict()))
    else:
        out.print(terminal.table([made.summary()]))
        out.print(terminal.table([{key: row[key] for key in row if key != "max_us"} for row in made.rows()]))
        for drawn in terminal.notes(made.doubts):
            out.print(drawn)
    if made.lost:
        raise SystemExit(1)


def grade(exercise: str, answer: Path, seed: int | None, out: Any, json_: bool) -> None:
    """Print what the judge found of an answer to an exercise."""
    from iolab import exercises

    found = exercises.grade(exercise, answer, seed)
    if json_:
        print(json.dumps(found.as_dict()))
    else:
        out.print(terminal.grades(found))
        print(found)


def exercises(out: Any, json_: bool) -> None:
    """Print the exercises, what each asks, and its points."""
    from iolab.exercises import EXERCISES

    rows = [
        {"exercise": each.name, "asks": each.asks, "out_of": sum(one.points for one in each.properties)}
        for each in EXERCISES.values()
    ]
    if json_:
        print(json.dumps(rows))
    else:
        out.print(terminal.wrapped(rows))


def _draw(made: Result, path: Path) -> None:
    from iolab.figures.experiments import experiment as draw

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(made).savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write the figure to {path}: {error}") from None


def pair(against: Path, files: Sequence[str] = (), **sizes: Any) -> tuple[Result, Result]:
    """Return a run of this machine and the recorded one: that of `files`, or else one that is made now.

    Raise UsageError for a file that is no recorded run, and for more than one.
    """
    there = results.read(against)
    if len(files) > 1:
        raise UsageError(f"--against takes one recorded run of yours, or none, and not {len(files)}")
    return (results.read(Path(files[0])) if files else experiments.find(there.name)(**sizes)), there
