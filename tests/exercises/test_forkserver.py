"""The fork server: the judge learns how a forked process ended, and is told when there is nobody left to fork."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
JUDGE = """
import json, os, sys, tempfile
sys.path.insert(0, os.getcwd())
from iolab.exercises.protocol import ClientLaunch, Launch
from iolab.exercises.sandbox.forkserver import fork_server

folder = tempfile.mkdtemp()
read_end, write_end = os.pipe()
launch = ClientLaunch(sys.argv[1], "answer", folder, {}, "127.0.0.1", 0)
if sys.argv[2:]:
    fork_server()._process.kill()
    fork_server()._process.wait()
try:
    child = fork_server().fork(launch, write_end, write_end)
    status = child.wait()
    print(json.dumps({"status": status, "again": child.poll(), "own": child.pid not in (0, os.getpid())}))
    child.end()
except (RuntimeError, OSError) as error:
    print(json.dumps(str(error)))
"""


ANSWERS = "def answer(address): return True"


def fork(answer: str, *more: str, judge: str = JUDGE) -> Any:
    command = [sys.executable, "-c", judge, answer, *more]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (ANSWERS, 0),
        ("def answer(address): raise SystemExit(7)", 7),
        ("def answer(address): 1 / 0", 1),
        ("no Python", 1),
        ("import os, signal\ndef answer(address): os.kill(os.getpid(), signal.SIGTERM)", -15),
    ],
)
def test_the_judge_learns_how_it_ended(answer: str, status: int) -> None:
    assert fork(answer) == {"status": status, "again": status, "own": True}


def test_without_it_there_is_no_trial() -> None:
    assert fork("", "killed") == "the process that forks for the judge is gone"
