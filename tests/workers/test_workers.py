"""Servers of several processes: what each did is counted, who dies is followed by another, and nothing stays."""

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import iolab
from iolab import replies
from iolab.background import ReplyWarning, Server
from iolab.errors import ServerFailed, UsageError
from iolab.listening import Respond
from iolab.models import MODELS
from iolab.workers.apart import Workers
from tests.peers import ask, connect

APART = [name for name, model in MODELS.items() if model.apart]
KEPT = ["prefork", "prefork-exclusive", "reuseport", "handoff"]
"""The models whose workers outlive a connection."""

pytestmark = [
    pytest.mark.skipif(bool(MODELS["prefork"].why_not()), reason="several processes are for Linux alone"),
    pytest.mark.usefixtures("nothing_left"),
]


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def workers_of(server: Server) -> Workers:
    assert server.workers
    return server.workers


def exists(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return False


@pytest.mark.parametrize("name", APART)
def test_connections_and_requests_are_counted_where_they_were_served(name: str) -> None:
    with iolab.start(name) as server:
        clients = [connect(server.address) for _ in range(6)]
        for _ in range(5):
            assert [ask(client) for client in clients] == [b"QUESTION"] * 6
        serve = workers_of(server).rows[1:]
        assert sum(row.connections for row in serve) == 6
        assert sum(row.requests for row in serve) == 30
        assert sum(row.open for row in serve) == 6
        for client in clients:
            client.close()
        until(lambda: sum(row.open for row in workers_of(server).rows) == 0)
    assert sum(row.requests for row in workers_of(server).rows) == 30  # what they did is known when they are gone


@pytest.mark.parametrize("name", APART)
def test_a_stop_leaves_no_process(name: str) -> None:
    with iolab.start(name) as server, connect(server.address) as client:
        ask(client)
        pids = workers_of(server).pids
        assert len(pids) >= 2 and all(map(exists, pids))
    assert [pid for pid in pids if exists(pid)] == []
    assert client.fileno() < 0 or client.recv(1) == b""


@pytest.mark.parametrize("name", KEPT)
def test_one_that_dies_is_named_with_its_connections_and_followed_by_another(name: str) -> None:
    with iolab.start(name) as server:
        clients = [connect(server.address) for _ in range(8)]
        for client in clients:
            ask(client)
        victim = next(row for row in workers_of(server).rows[1:] if row.open)
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: workers_of(server).deaths)
        (death,) = workers_of(server).deaths
        assert (death.pid, death.code, death.open) == (victim.pid, -signal.SIGKILL, victim.open)
        for _ in range(4):  # the server goes on, with as many workers as before
            with connect(server.address) as another:
                assert ask(another) == b"QUESTION"
        until(lambda: len(workers_of(server).pids) == len(workers_of(server).rows))
        for client in clients:
            client.close()


@pytest.mark.parametrize("name", APART)
def test_the_cpu_time_is_that_of_the_kernel(name: str) -> None:
    with iolab.start(name, replies.busy(0.002)) as server:
        with connect(server.address) as client:
            for _ in range(50):
                ask(client)
            counted_ns = workers_of(server).cpu_ns
            ticks = sum(map(cpu_ticks, workers_of(server).pids))
        assert counted_ns >= 100e6  # 50 replies of 2 ms
        assert ticks / os.sysconf("SC_CLK_TCK") * 1e9 >= counted_ns - len(workers_of(server).rows) * 2e7


def cpu_ticks(pid: int) -> int:
    times = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(times[11]) + int(times[12])


@pytest.mark.certify
@pytest.mark.parametrize("name", APART)
def test_cpu_time_is_that_of_all_children_within_a_fiftieth(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with iolab.start(name, replies.busy(0.002)) as server, connect(server.address) as client:
        for _ in range(500):
            ask(client)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    children_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    assert workers_of(server).cpu_ns / 1e9 == pytest.approx(children_s, rel=0.02)


@pytest.mark.parametrize("name", KEPT)
def test_there_are_as_many_workers_as_were_asked_for(name: str) -> None:
    with iolab.start(name, workers=3) as server:
        assert len(workers_of(server).pids) == 4


def test_a_server_without_workers_takes_no_number_of_them() -> None:
    with pytest.raises(UsageError, match="epoll serves in this process, and has no workers"):
        iolab.start("epoll", workers=2)
    with pytest.raises(UsageError, match="workers"):
        iolab.start("prefork", workers=0)


def test_a_reply_that_raises_is_told_in_the_words_of_the_worker() -> None:
    server = iolab.start("prefork", wrong)
    with connect(server.address) as client:
        client.sendall(b"question")
        assert client.recv(1) == b""
    until(lambda: server.reply_errors)
    with pytest.warns(ReplyWarning, match="respond raised once.*ValueError: made up, at line"):
        server.stop()


def wrong(request: bytes) -> bytes:
    raise ValueError("made up")


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (lambda request: request, "Can't pickle"),
        (replies.slow(0, lambda request: request), "Can't pickle"),
    ],
    ids=["a lambda", "one inside"],
)
def test_a_reply_that_workers_cannot_import_is_refused(respond: Respond, says: str) -> None:
    with pytest.raises(UsageError, match=f"a reply that the workers can import, who are other processes: .*{says}"):
        iolab.start("prefork", respond)


def test_a_reply_of_a_script_is_refused() -> None:
    script = "import iolab\ndef mine(request): return request\niolab.start('prefork', mine)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "mine is defined in this notebook or script; write it with `def` in a file beside" in done.stderr


def test_a_parent_that_is_killed_is_told() -> None:
    server = iolab.start("prefork")
    pids = workers_of(server).pids
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: not any(map(exists, pids)))
    server.wait()
    with pytest.raises(ServerFailed, match="the parent of the workers ended: its exit status was -9"):
        server.stop()


ORPHANS = """
import iolab, sys, time
server = iolab.start(sys.argv[1])
print(*server.address, *server.workers.pids, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "prefork" else pytest.mark.certify) for name in APART]
)
def test_a_kernel_that_is_killed_leaves_nothing(name: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHANS, name], stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout
        host, port, *pids = notebook.stdout.readline().split()
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"question")
            assert client.recv(100) == b"QUESTION"
            notebook.kill()
            until(lambda: not any(exists(int(pid)) for pid in pids))
            assert client.recv(1) == b""


@pytest.mark.certify
@pytest.mark.parametrize("name", APART)
def test_a_kernel_that_is_killed_at_any_moment_leaves_nothing(name: str) -> None:
    draw, mark = random.Random(name), f"{os.getpid()}-{name}"
    with run_marked(mark, name) as notebook:
        begin_s = time.monotonic()
        assert notebook.stdout and notebook.stdout.readline()  # it serves, and is about to put a load on itself
        ready_s = time.monotonic() - begin_s
        notebook.kill()
    for _ in range(20):
        with run_marked(mark, name) as notebook:
            time.sleep(draw.uniform(0, 1.5 * ready_s))
            notebook.kill()
        until(lambda: not list_marked(mark))


def run_marked(mark: str, name: str) -> "subprocess.Popen[bytes]":
    """Start a notebook whose processes, and those that they start, have a mark in their environment."""
    script = ORPHANS.replace("time.sleep(600)", "while True: iolab.load(server.address, connections=4, requests=400)")
    command = [sys.executable, "-c", script, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"IOLAB_TEST_MARK": mark})


def list_marked(mark: str) -> list[str]:
    """List the processes that have a mark; one that has ended has no environment."""
    marked = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"IOLAB_TEST_MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                marked.append(process.name)
    return marked


def test_a_measurement_tells_what_each_process_did() -> None:
    run = iolab.measure("prefork", connections=8, requests=400)
    assert [row["process"] for row in run.workers][:2] == ["parent", "worker 1"]
    assert sum(row["requests"] for row in run.workers) == 400
    assert sum(row["connections"] for row in run.workers) == 8
    assert "what each process did" in repr(run) and all(row["memory_kb"] > 0 for row in run.workers)
    assert run.cpu.total_ns > 0 and run.placement.server is None
