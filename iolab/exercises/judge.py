"""The judge, in a process of its own: it is told an exercise and an answer, and tells what it found.

This is a script. It is told its work as one line of JSON, and prints one line for each
property as soon as that is judged.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any


def main() -> None:
    """Judge one answer."""
    told = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = told["path"]
    stay()
    if os.getppid() != told["parent"]:
        return
    for found in judge(told["exercise"], told["text"], told["seed"], told["only"]):
        print(json.dumps(found), flush=True)
    sweep()


def stay() -> None:
    """Let nothing that an answer may do end this process; it ends with the one that started it."""
    from iolab.kernel import confinement

    confinement.end_with_parent(signal.SIGKILL)
    confinement.guard()
    # A descriptor may be made to send its owner one of these (F_SETOWN), and any process may be named as its owner.
    for number in (signal.SIGIO, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        signal.signal(number, signal.SIG_IGN)


def sweep() -> None:
    """End what answers have left behind."""
    from iolab.exercises.sandbox import watch as outside

    with suppress(ChildProcessError):  # none is left
        while left := outside.family(os.getpid())[1:]:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def judge(name: str, text: str, seed: int, only: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield what was found of each property, in the order of the exercise."""
    from iolab.exercises.catalogue import find
    from iolab.exercises.exercise import Property

    exercise = find(name)

    def look(asked: Property) -> dict[str, Any]:
        return look_for(asked, text + exercise.program, "serve" if exercise.program else exercise.entry, seed)

    first, *others = exercise.wanted(only)
    yield (found := look(first))
    if not found["passed"]:
        says = f"not looked for: {found['says']}"
        yield from ({"name": each.name, "passed": False, "points": each.points, "says": says} for each in others)
        return
    with ThreadPoolExecutor(exercise.at_once) as pool:
        yield from pool.map(look, others)


def look_for(asked: Any, text: str, entry: str, seed: int) -> dict[str, Any]:
    """Look for one property in a trial of its own."""
    from iolab.exercises.peers import Violated

    draw = random.Random(f"{seed} {asked.name}")
    try:
        says, passed = asked.look(text, entry, draw), True
    except Violated as violated:
        says, passed = str(violated), False
    except OSError as error:  # the server closed, or never took, a connection that was to be misused
        says, passed = f"a connection failed: {error}", False
    return {"name": asked.name, "passed": passed, "points": asked.points, "says": says}


if __name__ == "__main__":
    main()
