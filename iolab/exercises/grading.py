"""Grade an answer: the judge runs in a process of its own, and whatever becomes of it, there is a report."""

import os
import random
import subprocess
from pathlib import Path

from iolab.errors import UsageError
from iolab.exercises.catalogue import find
from iolab.exercises.interpreter import build_command
from iolab.exercises.papers import read_answer
from iolab.exercises.protocol import Check, Job, Malformed, decode, encode, printable
from iolab.exercises.report import Report
from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.confined import make_folder
from iolab.kernel.interrupts import InOnePiece, child

GRADE_WAITS_FOR_JUDGE_S = 60.0
"""A judge that takes longer is ended; with a CPU to itself it takes less than 15 s."""


def grade(exercise: str, answer: str | Path, seed: int | None = None, *, only: str | None = None) -> Report:
    """Judge an answer: a path to a file or a notebook, or the text of one that defines what the exercise asks for.

    The cases are drawn from the seed; without one, the seed itself is drawn, and the report names it.
    `only` is the one property to check beside the first, without which there is nothing to look at.
    Raise UsageError for an unknown exercise, a file that cannot be read, or a system where a process
    cannot be observed.
    """
    properties = find(exercise).select(only)
    answer = answer if isinstance(answer, str) else read_answer(answer)
    if reason := watch.why_not():
        raise UsageError(f"exercises cannot be judged here: {reason}")
    seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    checks, why = _ask_judge(Job(exercise, answer, seed, only))
    for each in properties[len(checks) :]:
        checks.append(Check(each.name, False, each.points, why))
        why = "not checked, for the same reason"
    return Report(exercise, seed, tuple(checks))


def _ask_judge(job: Job) -> tuple[list[Check], str]:
    """Return the judge's checks, and why there are no more in case some are missing."""
    command = build_command("iolab.exercises.judge", os.getpid())
    why = "the judge ended before it checked this"
    with make_folder() as folder:  # for all of the judge's: it may be killed
        # A copy: execve(2) fails with EFAULT where another thread changes the variables that it reads (environ(7)).
        env = dict(os.environ) | {"TMPDIR": folder}

        with InOnePiece(lambda: child(command, env)) as judge:
            try:
                lines, errors = judge.communicate(encode(job), GRADE_WAITS_FOR_JUDGE_S)
            except subprocess.TimeoutExpired:
                judge.kill()
                lines, errors = judge.communicate()
                why = f"not checked: the {GRADE_WAITS_FOR_JUDGE_S:.0f} s that the judge has were over"
    checks: list[Check] = []
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    try:
        for line in lines.splitlines(keepends=True):
            checks.append(decode(line, Check))
    except Malformed as error:
        last = [str(error)]
    return checks, printable(": ".join([why, *last]))
