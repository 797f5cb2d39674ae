"""The fork server: the judge learns how a forked process ended, and is told when there is nobody left to fork."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
JUDGE = """
import json, os, sys
sys.path.insert(0, os.getcwd())
from iolab.exercises.sandbox.forkserver import fork_server
from iolab.kernel import confinement

confinement.guard()
ear, mouth = os.pipe()
told = {"judge": os.getpid(), "limits": {}, "folder": os.getcwd(), "entry": "answer", "address": ["nobody", 0]}
told["text"] = sys.argv[1]
if sys.argv[2:]:
    fork_server()._process.kill()
    fork_server()._process.wait()
try:
    child = fork_server().fork(told, mouth, mouth)
    status = child.wait()
    os.set_blocking(ear, False)
    print(json.dumps({"status": status, "again": child.poll(), "own": child.pid not in (0, os.getpid())}))
except (RuntimeError, OSError) as error:
    print(json.dumps(str(error)))
"""


ANSWERS = "def answer(address): return True"


def forked(text: str, *more: str) -> Any:
    done = subprocess.run([sys.executable, "-c", JUDGE, text, *more], cwd=ROOT, capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (ANSWERS, 0),
        ("def answer(address): raise SystemExit(7)", 7),
        ("def answer(address): 1 / 0", 1),
        ("no Python", 1),
        ("import os, signal\ndef answer(address): os.kill(os.getpid(), signal.SIGTERM)", -15),
    ],
)
def test_the_judge_learns_how_it_ended(text: str, status: int) -> None:
    assert forked(text) == {"status": status, "again": status, "own": True}


def test_it_ends_where_there_is_no_judge_to_adopt_it() -> None:
    orphan = JUDGE.replace('{"judge": os.getpid()', '{"judge": 1 << 30')
    done = subprocess.run([sys.executable, "-c", orphan, ANSWERS], cwd=ROOT, capture_output=True, check=True)
    assert json.loads(done.stdout)["status"] == 1


def test_without_it_there_is_no_trial() -> None:
    assert forked("", "killed") in ("the process that forks for the judge is gone", "[Errno 32] Broken pipe")
