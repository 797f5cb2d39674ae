"""io_uring: a ring gives everything back, accepts as others do, and says why there is none."""

import errno
import gc
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from iolab.kernel import uring
from iolab.kernel.ring import Ring
from tests.kernel.conftest import Pair
from tests.kernel.support import run_script

WITHOUT_IO_URING = [sys.executable, str(Path(__file__).resolve().parents[2] / "tools/without_io_uring.py")]

needs_io_uring = pytest.mark.skipif(uring.why_not() is not None, reason=str(uring.why_not()))


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (errno.EPERM, "io_uring_disabled is 2"),
        (errno.ENOSYS, platform.release()),
        (errno.EINVAL, "Linux 6.1"),
        (errno.ENOMEM, "ulimit -l"),
        (errno.EACCES, "security module"),
        (errno.EMFILE, os.strerror(errno.EMFILE)),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="io_uring is an interface of the Linux kernel alone")
def test_the_cause_is_named(number: int, names: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(uring, "call", refused)
    monkeypatch.setattr(uring, "DISABLED", tmp_path / "io_uring_disabled")
    uring.DISABLED.write_text("2\n")
    assert names in str(uring.why_not())


@needs_io_uring
def test_a_filter_is_named() -> None:
    why_not = "from iolab.kernel.uring import why_not; print(why_not())"
    assert "seccomp" in run_script(why_not, *WITHOUT_IO_URING)


@needs_io_uring
def test_the_filter_forbids_nothing_else() -> None:
    script = "import os, socket, subprocess; socket.socket().close(); print(subprocess.getoutput('echo 1'))"
    assert run_script(script, *WITHOUT_IO_URING) == "1"


def test_a_command_that_is_missing() -> None:
    done = subprocess.run([*WITHOUT_IO_URING, "no such command"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


@needs_io_uring
def test_a_ring_gives_its_memory_back(pair: Pair) -> None:
    def open_and_close(times: int) -> int:
        for _ in range(times):
            with Ring(65536) as ring:
                ring.receive(ours.fileno())
                ring.submit()
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1])

    ours, peer = pair
    with ours, peer:
        before_pages = open_and_close(100)
        assert open_and_close(300) - before_pages < 100


@needs_io_uring
def test_what_is_pending_at_the_end_is_cancelled(pair: Pair) -> None:
    ours, peer = pair
    with ours, peer:
        with Ring(65536) as ring:
            ring.receive(ours.fileno())
            ring.submit()
        peer.send(b"for whoever reads next")
        assert ours.recv(100) == b"for whoever reads next"


@needs_io_uring
@pytest.mark.parametrize("model", ["io_uring", "io_uring-oneshot"])
def test_descriptors_used_up_from_the_start(model: str) -> None:
    script = """
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
from iolab.api import start

def ask(connection):
    connection.sendall(b"question")
    print(connection.recv(100).decode())

def refused(connection):
    connection.connect(server.address)
    connection.settimeout(20)
    return connection.recv(1) == b""

with start(MODEL) as server:
    first = socket.create_connection(server.address)
    ask(first)
    peers = [socket.socket() for _ in range(15)]
    held = []
    try:
        while True:
            held.append(socket.socket())
    except OSError:
        print(sum(map(refused, peers)))
    before_s = time.process_time()
    time.sleep(0.5)
    print(time.process_time() - before_s < 0.05)
    for connection in peers + held:
        connection.close()
    ask(first)
    with first, socket.create_connection(server.address) as last:
        ask(last)
"""
    assert run_script(f"MODEL = {model!r}\n{script}").split() == ["QUESTION", "15", "True", "QUESTION", "QUESTION"]
