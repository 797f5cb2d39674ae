"""The judge as an ordinary user: it needs no rights of root, and an answer gains none."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iolab.models import MODELS
from tests.exercises.corpus import TAMPERING
from tests.exercises.corpus.answers import Answer

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 100_000 + os.getpid()
"""A user whom nothing else on this machine belongs to."""

SITE, PYTHON = sysconfig.get_paths()["purelib"], f"python{sys.version_info[0]}.{sys.version_info[1]}"

# What nobody may read is mounted where nobody may look, in a namespace that ends with the process.
BEGIN = f"""
mount --bind {sys.base_prefix} python && mount --bind {SITE} site-packages && mount --bind {ROOT}/iolab course/iolab &&
export LD_LIBRARY_PATH=$PWD/python/lib &&  # a Python of shared libraries looks for them where it was built
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --bounding-set=-all python/bin/{PYTHON} -I -c "$0"
"""
JUDGE = """
import json, os, sys
sys.path[:0] = [os.path.abspath("course"), os.path.abspath("site-packages")]
from iolab.exercises import grade
exercise, text, only = json.loads(sys.stdin.read())
assert os.getuid() and not int(next(line.split()[1] for line in open("/proc/self/status") if "CapEff" in line), 16)
print(json.dumps(grade(exercise, text, 1, only=only).as_dict()))
"""


def why_not() -> str:
    """Say why nobody can be had here; nothing if it can."""
    if os.geteuid():
        return "the tests run as an ordinary user already, so all of them test this"
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        return "root needs unshare and setpriv (util-linux) to become an ordinary user"
    probe = ["unshare", "--mount", "mount", "--bind", "/usr", "/mnt"]
    return "" if not subprocess.run(probe, capture_output=True).returncode else "root may not mount anything here"


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "none")


@pytest.fixture
def room() -> Iterator[Path]:
    """Make a folder that nobody may read, with one that nobody may write in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for each in ("python", "site-packages", "course/iolab", "temporary"):
            (folder / each).mkdir(parents=True)
        (folder / "temporary").chmod(0o1777)
        yield folder


def judge(room: Path, answer: Answer, only: str | None = None) -> None:
    """Judge an answer as nobody; whatever it does, nothing of it may stay."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", BEGIN, JUDGE],
        input=json.dumps([answer.exercise, answer.text, only]),
        cwd=room,
        env={"TMPDIR": str(room / "temporary"), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    if answer.at_most is None:
        assert report["score"] == report["out_of"], report
    else:
        assert report["score"] <= answer.at_most, report
    assert list((room / "temporary").iterdir()) == []
    wait_until_nobody_is_left()


def wait_until_nobody_is_left() -> None:
    """Wait for the end of all processes of nobody; the last ones end when they see that the judge has."""
    end_s = time.monotonic() + 20
    while left := [each for each in Path("/proc").glob("[0-9]*") if _is_nobodys(each)]:
        assert time.monotonic() < end_s, left
        time.sleep(0.01)


def _is_nobodys(process: Path) -> bool:
    try:
        return f"Uid:\t{NOBODY}\t" in (process / "status").read_text()
    except OSError:
        return False


def test_a_right_answer_has_its_points(room: Path) -> None:
    judge(room, Answer("03-epoll", "the course", MODELS["epoll"].source), only="descriptors")


@pytest.mark.certify
@pytest.mark.parametrize("exercise", ["01-threads", "03-epoll", "06-completion"])
def test_a_right_answer_has_all_points(room: Path, exercise: str) -> None:
    judge(room, Answer(exercise, "", MODELS[{"01": "threads", "03": "epoll", "06": "io_uring"}[exercise[:2]]].source))


@pytest.mark.certify
@pytest.mark.parametrize("answer", TAMPERING, ids=str)
def test_tampering_gains_nothing(room: Path, answer: Answer) -> None:
    judge(room, answer)
