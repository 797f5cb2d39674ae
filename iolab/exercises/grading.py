"""Grade an answer: the judge runs in a process of its own, and whatever becomes of it, there is a report."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from iolab.errors import UsageError
from iolab.exercises.catalogue import find
from iolab.exercises.report import Report, report
from iolab.exercises.sandbox import watch as outside

SCRIPT = Path(__file__).with_name("judge.py")
PACKAGES = str(SCRIPT.parents[2])
"""Where this iolab is; an editable one is in no folder of sys.path."""

JUDGED_S = 60.0
"""A judge that takes longer is ended; it takes less than 15 s where it is not kept from the CPU."""


def grade(exercise: str, answer: str | Path, seed: int | None = None, *, only: str | None = None) -> Report:
    """Judge an answer: a path to a file, or the text of one that defines what the exercise asks for.

    The cases are drawn from the seed; without one, the seed itself is drawn, and the report
    names it. `only` is the name of a property to look for alone, beside the first, without which
    there is nothing to look at. Raise UsageError for an unknown exercise, a file that cannot be read, or a
    system that does not let a process be looked at.
    """
    asked = find(exercise)
    text = _text(answer)
    missing = outside.why_not()
    if missing:
        raise UsageError(f"exercises cannot be judged here: {missing}")
    seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    found, why = _judged(exercise, text, seed, only)
    left = asked.wanted(only)[len(found) :]
    found += [{"name": each.name, "passed": False, "points": each.points, "says": why} for each in left]
    return report(exercise, seed, found)


def _text(answer: str | Path) -> str:
    if isinstance(answer, str):
        return answer
    try:
        return answer.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the answer in {answer}: {_reason(error)}") from None


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "" if isinstance(error, OSError) else f"it is not UTF-8 ({error.reason})"


def _judged(exercise: str, text: str, seed: int, only: str | None) -> tuple[list[dict[str, Any]], str]:
    """Return what the judge found, and why there is no more if there is not."""
    told = {"exercise": exercise, "text": text, "seed": seed, "only": only}
    told |= {"parent": os.getpid(), "path": [PACKAGES, *sys.path]}
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", "-S", str(SCRIPT)]
    # A copy: execve(2) fails with EFAULT where another thread changes the variables that it reads (environ(7)).
    env = dict(os.environ)
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        try:
            told_, said = process.communicate(json.dumps(told).encode() + b"\n", JUDGED_S)
        except subprocess.TimeoutExpired:
            process.kill()
            told_, said = process.communicate()
    lines = [line for line in told_.splitlines(keepends=True) if line.endswith(b"\n")]
    last = said.decode(errors="replace").strip().splitlines()
    return [json.loads(line) for line in lines], " ".join(["the judge ended before it came to this", *last[-1:]])
