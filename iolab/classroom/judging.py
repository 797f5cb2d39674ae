"""Many answers judged at once, on Dask: no answer disturbs another, and a lost worker's share is done again."""

import asyncio
import json
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iolab.classroom.answers import answer_in
from iolab.errors import UsageError
from iolab.exercises import grade
from iolab.traffic.cluster import dask as cluster

RETRIES = 3
ALONE_S = 60.0
"""A cluster that has had no worker for so long will have none any more."""

LOOK_S = 1.0
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

    Without the address of a scheduler the cluster is of this machine: one worker a CPU.
    Raise UsageError if the cluster cannot be used, or has lost its scheduler or all its workers.
    """
    asyncio.run(_judged(handed_in, course, scheduler, on_report, judge))


async def _judged(
    handed_in: Sequence[Submission], course: str, scheduler: str | None, on_report: OnReport, judge: Judge
) -> None:
    async with cluster.connect(scheduler) if scheduler else cluster.of_this_machine() as client:
        if scheduler:
            await cluster.workers_of(client, scheduler)
        judging = asyncio.create_task(_reports(client, handed_in, course, on_report, judge))
        alone = asyncio.create_task(_alone(client, scheduler or "this machine"))
        try:
            ended, _ = await asyncio.wait({judging, alone}, return_when=asyncio.FIRST_COMPLETED)
            (judging if judging in ended else alone).result()
        finally:
            judging.cancel()
            alone.cancel()
            await asyncio.gather(judging, alone, return_exceptions=True)


async def _reports(
    client: Any, handed_in: Sequence[Submission], course: str, on_report: OnReport, judge: Judge
) -> None:
    from distributed import as_completed

    waiting = {}
    for each in handed_in:
        if each.text is None:
            on_report(each, {"unread": f"{each.notebook.name} is no notebook that can be read"})
        else:
            asked = (each.exercise, each.text, each.seed(course))
            waiting[client.submit(judge, *asked, retries=RETRIES, pure=False)] = each
    async for future in as_completed(waiting, loop=client.loop):
        if future.cancelled():  # not by us
            raise UsageError("the Dask scheduler is gone: start it, and grade again")
        failed = await future.exception()
        on_report(waiting[future], {"unread": f"the judge failed: {failed!r}"} if failed else await future.result())


async def _alone(client: Any, where: str) -> None:
    """Raise UsageError once the cluster has had no worker for ALONE_S."""
    seen_s = time.monotonic()
    while time.monotonic() < seen_s + ALONE_S:
        await asyncio.sleep(LOOK_S)
        if await cluster.addresses(client):
            seen_s = time.monotonic()
    raise UsageError(f"{where} has had no Dask worker for {ALONE_S:g} s: start one, and grade again")


def keep(report: dict[str, Any], path: Path) -> None:
    """Write a report to its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
