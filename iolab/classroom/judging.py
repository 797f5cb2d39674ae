"""Many answers judged at once, on Dask: no answer disturbs another, and a lost worker's share is judged again."""

import asyncio
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.exercises import Report, grade
from iolab.exercises.papers import read_answer
from iolab.exercises.protocol import printable
from iolab.kernel.interrupts import complete
from iolab.traffic.cluster import dask as cluster

RETRIES = 3
CLASS_WAITS_FOR_WORKER_S = 60.0
"""A cluster that has had no worker for so long will get none."""

CLASS_LOOKS_FOR_WORKERS_EVERY_S = 1.0


@dataclass(frozen=True)
class NotJudged:
    """Why there is no report on a submission."""

    why: str

    def as_dict(self) -> dict[str, str]:
        """Return the reason as JSON has it."""
        return {"not judged": self.why}

    def __str__(self) -> str:
        return printable(self.why)


Judge = Callable[[str, str, int], Report]
OnReport = Callable[["Submission", Report | NotJudged], None]


@dataclass(frozen=True)
class Submission:
    """One learner's notebook for one exercise."""

    student: str
    exercise: str
    notebook: Path

    @cached_property
    def answer(self) -> str | None:
        """The text of the answer; None if the file is not a notebook."""
        try:
            return read_answer(self.notebook)
        except UsageError:
            return None

    def seed(self, secret: str) -> int:
        """Return the seed of its cases: another one for every answer, the same in every run.

        Nobody computes it without the secret of the course, and the seeds of other answers do not help.
        """
        what = json.dumps([self.student, self.exercise, self.answer]).encode()
        return int.from_bytes(hmac.digest(secret.encode(), what, "sha256")[:4], "big") >> 1


def list_submissions(folder: Path, exercises: Sequence[str]) -> list[Submission]:
    """List what was handed in, as nbgrader lays it out: `STUDENT/EXERCISE/EXERCISE.ipynb`.

    Raise UsageError if there is nothing.
    """
    submissions = [
        Submission(path.parents[1].name, path.stem, path)
        for path in sorted(folder.glob("*/*/*.ipynb"))
        if path.stem == path.parent.name and path.stem in exercises
    ]
    if not submissions:
        raise UsageError(f"nothing was handed in: expected {folder}/STUDENT/EXERCISE/EXERCISE.ipynb")
    return submissions


def judge_all(
    submissions: Sequence[Submission], secret: str, scheduler: str | None, on_report: OnReport, judge: Judge = grade
) -> None:
    """Judge all submissions on a Dask cluster, and hand over each report as it arrives.

    Without the address of a scheduler the cluster is of this machine: one worker a CPU.
    Raise UsageError if the cluster cannot be used, or has lost its scheduler or all its workers.
    """
    complete(_judge_all(submissions, secret, scheduler, on_report, judge))


async def _judge_all(
    submissions: Sequence[Submission], secret: str, scheduler: str | None, on_report: OnReport, judge: Judge
) -> None:
    async with cluster.connect(scheduler) if scheduler else cluster.of_this_machine() as client:
        if scheduler:
            await cluster.workers_of(client, scheduler)
        judging = asyncio.create_task(_collect(client, submissions, secret, on_report, judge))
        watching = asyncio.create_task(watch_workers(client, scheduler or "this machine"))
        try:
            over, _ = await asyncio.wait({judging, watching}, return_when=asyncio.FIRST_COMPLETED)
            (judging if judging in over else watching).result()
        finally:
            judging.cancel()
            watching.cancel()
            await asyncio.gather(judging, watching, return_exceptions=True)


async def _collect(
    client: Any, submissions: Sequence[Submission], secret: str, on_report: OnReport, judge: Judge
) -> None:
    from distributed import as_completed

    waiting = {}
    for each in submissions:
        if each.answer is None:
            on_report(each, NotJudged(f"{each.notebook.name} cannot be read as a notebook"))
        else:
            job = (each.exercise, each.answer, each.seed(secret))
            waiting[client.submit(judge, *job, retries=RETRIES, pure=False)] = each
    async for future in as_completed(waiting, loop=client.loop):
        on_report(waiting[future], await _fetch(future))


async def _fetch(future: Any) -> Report | NotJudged:
    try:
        if not future.cancelled():
            error = await future.exception()
            return NotJudged(f"the judge failed: {error!r}") if error else await future.result()
    except OSError:  # Dask's CommClosedError: the scheduler went after the answer was judged, and has the report
        pass
    raise UsageError("the Dask scheduler is gone: start it, and grade again")


async def watch_workers(client: Any, where: str) -> None:
    """Raise UsageError once the cluster has had no worker for CLASS_WAITS_FOR_WORKER_S."""
    last_s = time.monotonic()
    while time.monotonic() < last_s + CLASS_WAITS_FOR_WORKER_S:
        await asyncio.sleep(CLASS_LOOKS_FOR_WORKERS_EVERY_S)
        if await cluster.addresses(client):
            last_s = time.monotonic()
    raise UsageError(f"{where} has had no Dask worker for {CLASS_WAITS_FOR_WORKER_S:g} s: start one, and grade again")


def save_outcome(outcome: Report | NotJudged, path: Path) -> None:
    """Write a report, or why there is none, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(outcome.as_dict(), indent=1, ensure_ascii=False), encoding="utf-8")


def load_outcome(path: Path) -> Report | NotJudged:
    """Return what `save_outcome` wrote. Raise Malformed for anything else."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return NotJudged(values["not judged"]) if "not judged" in values else Report.from_dict(values)
