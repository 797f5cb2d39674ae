"""Answers to the exercises, x-rayed: those with a flaw that a finding names get it, and right ones get none.

A finding sees what a load shows that reads all replies. What shows with a slow reader alone, as `idle while it owes`
and `others meanwhile`, is the judge's.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import iolab
from iolab.exercises import EXERCISES
from tests.exercises.corpus import ANSWERS
from tests.exercises.corpus.answers import Answer
from tests.trace.test_strace import why_not

SERVE = """
import sys
from iolab.listening import listen
from iolab.replies import upper
space = {"__name__": "answer"}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), space)
listening = listen()
print(listening.getsockname()[1], flush=True)
space["serve"](listening, upper)
"""

SPINS, LOOKS = "spins while idle", "wakes by a time-out"
HOLDS_UP, LEAKS = "one connection holds up all", "descriptors only grow"
FINDINGS = {
    "asks without waiting": {SPINS},
    "asks again and again": {SPINS},
    "watches for room to write all the time": {SPINS, "watches for room to write"},
    "asks every 10 ms": {SPINS, LOOKS},
    "asks and sleeps for 10 ms": {SPINS, LOOKS},
    "sleeps for 10 ms in every round": {SPINS, LOOKS},
    "sleeps and asks everyone": {SPINS, LOOKS},
    "select as a clock": {SPINS, LOOKS},
    "epoll as a clock": {SPINS, LOOKS},
    "looks every 10 ms": {SPINS, LOOKS},
    "looks every 20 ms": {SPINS, LOOKS},
    "looks every 50 ms": {SPINS, LOOKS},
    "one client at a time": {HOLDS_UP},
    "waits for each thread to end": {HOLDS_UP},
    "waits in recv": {HOLDS_UP},
    "keeps every connection": {LEAKS},
    "never closes": {LEAKS},
}
"""By the label of a flawed answer: the findings of which it must get one. Between a nap and a call in vain lies how
busy the machine is."""

NOT_TO_BE_SEEN = {
    "03-select: watches for room to write all the time": "it ends when a connection is closed",
    "06-completion: looks every 10 ms": "it naps only while something is owed",
    "06-completion: never closes": "the end of a connection is a completion, and no system call",
}

SERVERS = [answer for answer in ANSWERS if answer.exercise[:2] < "07" and EXERCISES[answer.exercise].entry == "serve"]
LABELS = ("idle", "no sleeps", "many clients", "descriptors")
FLAWED = [
    each for each in SERVERS if each.lacks in LABELS and each.name in FINDINGS and str(each) not in NOT_TO_BE_SEEN
]
RIGHT = [each for each in SERVERS if each.lacks is None]


@contextmanager
def serving(answer: Answer, folder: Path) -> Iterator[int]:
    """Yield the process of an answer that serves."""
    file = folder / "answer.py"
    file.write_text(answer.text, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout and server.stdout.readline()
        try:
            yield server.pid
        finally:
            server.kill()


def findings_of(answer: Answer, folder: Path) -> set[str]:
    if reason := why_not():
        pytest.skip(reason)
    with serving(answer, folder) as pid:
        return {finding.kind for finding in iolab.xray(pid, seconds=4, load="echo").findings}


@pytest.mark.certify
@pytest.mark.parametrize("answer", FLAWED, ids=str)
def test_a_flaw_that_a_finding_names_is_found(answer: Answer, tmp_path: Path) -> None:
    assert findings_of(answer, tmp_path) & FINDINGS[answer.name]


@pytest.mark.certify
@pytest.mark.parametrize("answer", RIGHT, ids=str)
def test_right_answers_get_none(answer: Answer, tmp_path: Path) -> None:
    """Those of 02-nonblocking spin, as their model does: lesson 02 is about that."""
    assert findings_of(answer, tmp_path) == ({SPINS} if answer.exercise == "02-nonblocking" else set())


def test_there_is_a_flawed_answer_for_each_label() -> None:
    assert {answer.name for answer in FLAWED} == set(FINDINGS)
    assert len(RIGHT) > 50
