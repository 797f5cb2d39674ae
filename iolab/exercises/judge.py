"""The judge, in a process of its own: a `Job` comes in, and a `Check` goes out as soon as it is made.

Its argument is the process that started it, without which it ends.
"""

import os
import random
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from iolab.exercises.catalogue import find
from iolab.exercises.exercise import Property
from iolab.exercises.peers import Violated
from iolab.exercises.protocol import Check, Job, decode, encode, printable
from iolab.exercises.sandbox.forkserver import allow_signals, overwrite_what_is_freed, refuse_rings
from iolab.kernel import confinement, namespaces, threads

NO_SIGNALS = (
    "the judge cannot check this here: an answer that ends its workers sends signals, and only namespaces or "
    "Linux 6.12 keep those from others"
)


def main() -> None:
    """Judge one answer."""
    secure()
    if os.getppid() != int(sys.argv[1]):
        return
    job = decode(sys.stdin.buffer.readline(), Job)
    for check in judge(job):
        sys.stdout.buffer.write(encode(check))
        sys.stdout.buffer.flush()


def secure() -> None:
    """Let nothing that an answer may do end this process; it ends with the one that started it."""
    namespaces.enter_network()
    confinement.end_with_parent(signal.SIGKILL)
    confinement.hide()
    # A descriptor may be made to send its owner one of these (F_SETOWN), and any process may be named as its owner.
    for number in (signal.SIGIO, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        signal.signal(number, signal.SIG_IGN)


def judge(job: Job) -> Iterator[Check]:
    """Yield a check of each property, in the order of the exercise."""
    exercise = find(job.exercise)
    answer, entry = exercise.complete(job.answer)
    if exercise.frees:
        overwrite_what_is_freed()
    if not exercise.rings:
        refuse_rings()
    if exercise.signals:
        allow_signals()
    first, *others = exercise.select(job.only)
    if exercise.signals and not (confinement.scopes_signals() or namespaces.offers_worlds()):
        check = Check(first.name, False, first.points, NO_SIGNALS)
    else:
        check = look_for(first, answer, entry, job.seed)
    yield check
    if not check.passed:
        yield from (Check(each.name, False, each.points, f"not checked without “{first.name}”") for each in others)
        return
    with ThreadPoolExecutor(exercise.at_once) as pool:
        with threads.blocked():  # map starts the threads, which inherit the mask
            checks = pool.map(lambda each: look_for(each, answer, entry, job.seed), others)
        yield from checks


def look_for(wanted: Property, answer: str, entry: str, seed: int) -> Check:
    """Look for one property in a trial of its own."""
    draw = random.Random(f"{seed} {wanted.name}")
    try:
        return Check(wanted.name, True, wanted.points, printable(wanted.look(answer, entry, draw)))
    except Violated as violated:
        says = str(violated)
    except OSError as error:  # the server closed, or never took, a connection that was to be misused
        says = f"a connection failed: {error}"
    except Exception as error:
        says = f"the judge could not check this: {type(error).__name__}: {error}"
    return Check(wanted.name, False, wanted.points, printable(says))
