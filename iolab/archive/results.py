"""Recorded runs: the result of an experiment on a machine, in a file, and beside that of another machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iolab.archive.provenance import circumstances, ensure_writable
from iolab.data import reference
from iolab.errors import UsageError
from iolab.experiments import EXPERIMENTS
from iolab.experiments.result import Result
from iolab.experiments.shape import Shape, alike, over
from iolab.settings import PROFILE, profile
from iolab.traffic.doubts import Doubt


def save(result: Result, folder: Path, command: str) -> Path:
    """Write a result to a folder, with the machine, the date (UTC), the command and the commit; return its path.

    Raise UsageError for a folder that cannot be written to.
    """
    path = ensure_writable(folder) / f"{result.name}.json"
    path.write_text(to_json(with_circumstances(result, command)), encoding="utf-8")
    return path


def with_circumstances(result: Result, command: str) -> dict[str, Any]:
    """Return the values of a recorded run; no name and no path of the machine is among them."""
    return {
        "experiment": result.name,
        "title": result.title,
        **circumstances(command),
        "placement": result.placement,
        "doubts": [doubt.as_dict() for doubt in result.doubts],
        "rows": [dict(row) for row in result.rows],
    }


def to_json(values: Mapping[str, Any]) -> str:
    """Write a recorded run as JSON, with one line a row."""
    head = {key: value for key, value in values.items() if key != "rows"}
    rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in values["rows"])
    return f'{json.dumps(head, indent=1, ensure_ascii=False)[:-2]},\n "rows": [\n{rows}\n ]\n}}\n'


def read(path: Path) -> Result:
    """Read a recorded run as the result that it was. Raise UsageError for a file that is none."""
    table = reference.read(path)
    experiment = EXPERIMENTS.get(table.about.get("experiment", ""))
    kind: type[Result] | None = experiment.result if experiment else None
    try:
        doubts = tuple(Doubt.of_dict(doubt) for doubt in table.about["doubts"])
        result = kind(tuple(table), str(table.about["placement"]), doubts) if kind else None
        if result and all(key in row for row in table for key in result.columns()) and result.signs:
            return result
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        pass
    raise reference.no_run(path)


def side_by_side(here: Result, there: Result) -> list[dict[str, Any]]:
    """Return the first figure of both, row by row, with the ratio of the two; all rows that either has.

    Raise UsageError if they are not of one experiment.
    """
    if here.name != there.name:
        raise UsageError(f"{here.name} and {there.name} do not compare; give two runs of one experiment")
    figure, heading = next(iter(here.figures.items()))
    rows = []
    for keys in dict.fromkeys(tuple(row[key] for key in here.keys) for row in (*here.rows, *there.rows)):
        which = dict(zip(here.keys, keys, strict=True))
        ours, theirs = here.value(figure, **which), there.value(figure, **which)
        ratio = over(ours, theirs)
        cells = {here.keys[key]: value for key, value in which.items()}
        rows.append(cells | {f"{heading}, here": ours, "there": theirs, "ratio": ratio and round(ratio, 3)})
    return rows


def same_shape(here: Result, there: Result) -> Shape:
    """Say whether two runs have the same shape; how fast either machine is has no part in it."""
    return alike(here.signs, there.signs)


def command(name: str) -> str:
    """Return the command that makes this recorded run again."""
    return f"{PROFILE}={profile().name} iolab record {name}"
