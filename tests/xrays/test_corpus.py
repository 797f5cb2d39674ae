"""Answers to the exercises, x-rayed: those with a flaw that a finding names get it, and right ones get none.

A finding sees what a load shows that reads all replies. What shows with a slow reader alone, as `idle while it owes`
and `others meanwhile`, is the judge's.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import iolab
from tests.exercises.corpus import ANSWERS
from tests.exercises.corpus.answers import Answer

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

AWAKE = {"spins while idle", "wakes by a time-out"}
FINDINGS = {"idle": AWAKE, "no sleeps": AWAKE, "many clients": {"one connection holds up all"}}
"""What is found of an answer that lacks a property: one of these."""

SERVERS = [answer for answer in ANSWERS if "def serve" in answer.text and answer.at_most is None]


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


def found(answer: Answer, folder: Path) -> set[str]:
    with serving(answer, folder) as pid:
        return {finding.kind for finding in iolab.xray(pid, seconds=2.5, load="echo").findings}
