"""Nothing that an answer does reaches others, and nothing of it stays, with namespaces and without."""

import json
import platform
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from iolab.kernel.confinement import ARCHITECTURES
from iolab.models import MODELS
from tests.exercises.corpus.tampering import BEFORE

ROOT = Path(__file__).resolve().parents[2]
UNSHARE = {"x86_64": 272, "aarch64": 97}

JUDGE = """
import ctypes, json, os, struct, sys, time
sys.path.insert(0, os.getcwd())
from iolab.exercises import grade, grading
from iolab.exercises.sandbox import watch
from iolab.kernel import confinement

text, refused, waits_s = json.loads(sys.stdin.read())
confinement.adopt()  # whatever is left behind is ours
if refused:  # as a container does it
    load, equal, stop = confinement._load(0), confinement._jump_if_equal(refused, 0, 1), confinement._return
    program = load + equal + stop(confinement.DENY) + stop(confinement.ALLOW)
    memory = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(memory)))
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
    assert not ctypes.CDLL(None).prctl(22, 2, header, 0, 0)
grading.GRADE_WAITS_FOR_JUDGE_S = waits_s
report = grade("03-epoll", text, 1, only="descriptors")
end = time.monotonic() + 20
while len(family := watch.list_family(os.getpid())) > 1 and time.monotonic() < end:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
    time.sleep(0.01)
print(json.dumps({"report": report.as_dict(), "left": len(family) - 1}))
"""

pytestmark = [
    pytest.mark.skipif(platform.machine() not in ARCHITECTURES, reason="the filter knows x86-64 and ARM64"),
    pytest.mark.parametrize("refused", [0, UNSHARE.get(platform.machine(), 0)], ids=["namespaces", "none"]),
]


def judge(text: str, refused: int, folder: Path, waits_s: float = 60.0) -> dict[str, Any]:
    """Judge an answer in a process of its own, and return the report and how many processes are left."""
    done = subprocess.run(
        [sys.executable, "-c", JUDGE],
        input=json.dumps([text, refused, waits_s]),
        cwd=ROOT,
        env={"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def before(name: str) -> str:
    """Return an answer that does something of the corpus, and then serves one client at a time."""
    return textwrap.dedent(BEFORE[name]) + MODELS["blocking"].source


@pytest.mark.parametrize(
    "name", ["leaves a child that nobody owns", "nests 1,500 folders", "leaves shared memory and queues"]
)
def test_nothing_stays(name: str, refused: int, tmp_path: Path) -> None:
    shared = Path("/dev/shm") / f"{tmp_path.name}-{refused}"
    result = judge(before(name).replace("iolab-was-here", shared.name), refused, tmp_path)
    assert result["report"]["checks"][0]["passed"], result
    assert result["left"] == 0
    assert list(tmp_path.iterdir()) == []
    assert refused or not shared.exists()
    shared.unlink(missing_ok=True)
    for kind in ("shm", "msg", "sem"):
        lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
        assert str(0x10AB) not in {line.split()[0] for line in lines}


def test_nothing_stays_of_a_judge_that_was_killed(refused: int, tmp_path: Path) -> None:
    text = f"{before('leaves a child that nobody owns')}\ntime.sleep(1000)"
    result = judge(text, refused, tmp_path, waits_s=1.5)
    assert result["report"]["checks"][0]["says"] == "not checked: the 2 s that the judge has were over"
    assert result["left"] == 0
    assert list(tmp_path.iterdir()) == []


def test_other_sockets_are_out_of_reach(refused: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        text = f"import socket\nsocket.create_connection({other.getsockname()!r}, 1)"
        says = judge(text, refused, tmp_path)["report"]["checks"][0]["says"]
        assert "it died at line 2" in says
        with pytest.raises(BlockingIOError):
            other.accept()
