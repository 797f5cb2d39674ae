"""Many answers judged at once, on Dask: no answer disturbs another, and a lost worker's share is done again."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iolab.classroom.answers import answer_in
from iolab.errors import UsageError
from iolab.exercises import grade

RETRIES = 3
Judge = Callable[[str, str, int], dict[str, Any]]
OnReport = Callable[["Submission", dict[str, Any]], None]


@dataclass(frozen=True)
class Submission:
    """One learner's notebook for one exercise."""

    student: str
    exercise: str
    notebook: Path

    @cached_property
    def text(self) -> str | None:
        """The answer; None if the file is no notebook."""
        try:
            return answer_in(self.notebook)
        except UsageError:
            return None

    def seed(self, course: str) -> int:
        """Return the seed of its cases: another one for every student, the same in every run."""
        return zlib.crc32(f"{course} {self.student} {self.exercise}".encode())


def submissions(folder: Path, exercises: Sequence[str]) -> list[Submission]:
    """List what was handed in, as nbgrader lays it out: `STUDENT/EXERCISE/EXERCISE.ipynb`.

    Raise UsageError if there is nothing.
    """
    found = [
        Submission(path.parents[1].name, path.stem, path)
        for path in sorted(folder.glob("*/*/*.ipynb"))
        if path.stem == path.parent.name and path.stem in exercises
    ]
    if not found:
        raise UsageError(f"nothing was handed in: expected {folder}/STUDENT/EXERCISE/EXERCISE.ipynb")
    return found


def judge(exercise: str, text: str, seed: int) -> dict[str, Any]:
    """Judge one answer, on whatever machine this runs."""
    return grade(exercise, text, seed).as_dict()


def judged(
    handed_in: Sequence[Submission], course: str, scheduler: str | None, on_report: OnReport, judge: Judge = judge
) -> None:
    """Judge all submissions on a Dask cluster, and tell each report as it comes.

    Raise UsageError for a scheduler that does not answer.
    """
    from distributed import as_completed

    with cluster(scheduler) as client:
        waiting = {}
        for each in handed_in:
            if each.text is None:
                on_report(each, {"unread": f"{each.notebook.name} is no notebook that can be read"})
            else:
                asked = (each.exercise, each.text, each.seed(course))
                waiting[client.submit(judge, *asked, retries=RETRIES, pure=False)] = each
        for future in as_completed(waiting):
            failed = future.exception()
            on_report(waiting[future], {"unread": f"the judge failed: {failed!r}"} if failed else future.result())


@contextmanager
def cluster(scheduler: str | None) -> Iterator[Any]:
    """Yield a client of the scheduler at this address, or of a cluster of this machine: one worker a CPU."""
    from distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {scheduler}: {error}") from None
        with client:
            yield client
    else:
        with LocalCluster(threads_per_worker=1, dashboard_address=None) as local, Client(local) as client:
            yield client


def keep(report: dict[str, Any], path: Path) -> None:
    """Write a report to its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
