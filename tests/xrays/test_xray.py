"""A server of anybody's, watched from outside: named right, and left as it was."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

import iolab
from iolab.cli.main import main
from iolab.errors import ServerFailed, UsageError
from iolab.kernel.descriptors import raise_limit
from iolab.models import MODELS
from iolab.xrays import events, processes
from iolab.xrays.processes import everyone, family, status
from iolab.xrays.protocols import is_http_reply
from tests.serving import IOLAB, Serving, busy_process
from tests.trace.test_strace import why_not

pytestmark = pytest.mark.usefixtures("nothing_left")

ECHO = """
import os, socket, threading
def converse(peer):
    while request := peer.recv(999):
        peer.sendall(request.upper())
    peer.close()
door = socket.create_server(("127.0.0.1", 0))
child = CHILD
print(door.getsockname()[1], child, flush=True)
while True:
    threading.Thread(target=converse, args=(door.accept()[0],), daemon=True).start()
"""

EXPECTED = {
    **dict.fromkeys(MODELS, ("epoll", "level-triggered", "one thread")),
    "blocking": ("blocking", "", "one thread"),
    "threads": ("blocking", "", "a thread for each connection"),
    "nonblocking": ("nonblocking", "", "one thread"),
    "select": ("select", "", "one thread"),
    "poll": ("poll", "", "one thread"),
    "epoll-edge": ("epoll", "edge-triggered", "one thread"),
    "signals": ("signals", "", "one thread"),
    "aio": ("aio", "", "a pool of threads"),
    "io_uring": ("io_uring", "", "one thread"),
    "io_uring-oneshot": ("io_uring", "", "one thread"),
    "trio": ("epoll", "one-shot", "one thread"),
    "pool": ("blocking", "", "a pool of threads"),
    "processes": ("blocking", "", "a process for each connection"),
    "prefork": ("epoll", "level-triggered", "a pool of processes"),
    "prefork-exclusive": ("epoll", "level-triggered", "a pool of processes"),
    "reuseport": ("epoll", "level-triggered", "processes with a listening socket each"),
    "handoff": ("epoll", "level-triggered", "one process accepts for others"),
}
FLAWED = {"blocking": ["one connection holds up all"], "nonblocking": ["spins while idle"]}
"""The two models that a server should not run; all others are without a finding."""


@pytest.fixture
def traceable() -> None:
    if reason := why_not():
        pytest.skip(reason)


@contextmanager
def echo(child: str = "0") -> Iterator[tuple["subprocess.Popen[str]", int, int]]:
    """Yield a server, its port, and its child."""
    with subprocess.Popen(
        [sys.executable, "-SEc", ECHO.replace("CHILD", child)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        port, pid = map(int, server.stdout.readline().split())
        try:
            yield server, port, pid
        finally:
            server.kill()


def answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 30) as peer:
        peer.sendall(b"hello")
        return peer.recv(99) == b"HELLO"


def wait_until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ("xray 0", "a PID is a number above 0, not 0"),
            ("xray -- ", "either a PID or a command after --"),
            ("xray", "either a PID or a command after --"),
            ("xray 1", "PID 1 has every other process"),
            ("xray 4194305", "there is no process 4194305"),
            ("xray 99999999999999999999", "there is no process"),
            ("xray nginx", "'nginx' is not a valid integer"),
            ("xray 7 -- sleep 1", "either a PID or a command after --"),
            ("xray -- no-such-server", "no command 'no-such-server'"),
            ("xray --seconds 0 1", "seconds to be from 0.5 to 600, not 0"),
            ("xray --seconds nan 1", "seconds"),
            ("xray --connections 0 1", "connections to be from 1 to 1,000, not 0"),
            ("xray --load gopher 1", "'gopher' is not one of"),
            ("xray --tracer tracepoints -- sleep 9", "a command is started under strace"),
            ("xray --send /dev/null 1", "give both"),
            ("xray --send /no/file --expect /dev/null 1", "cannot read '/no/file'"),
        ],
    )
    def test_one_line_says_what_to_do(self, arguments: str, says: str) -> None:
        done = CliRunner().invoke(main, arguments.split(), prog_name="iolab")
        assert (done.stdout, done.exit_code) == ("", 2)
        (line,) = done.stderr.splitlines()
        assert says in line

    def test_this_process(self) -> None:
        with pytest.raises(UsageError, match="none can trace itself"):
            iolab.xray(os.getpid())

    def test_a_thread_of_the_kernel(self) -> None:
        pid = next((pid for pid in everyone() if processes.is_kernel_thread(pid)), None)
        if pid is None:
            pytest.skip("no thread of the kernel is to be seen here, as in a container")
        with pytest.raises(UsageError, match="a thread of the kernel" if os.geteuid() == 0 else "another user's"):
            iolab.xray(pid)

    def test_a_shell(self) -> None:
        with subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE) as shell:
            with pytest.raises(UsageError, match="it listens on no TCP port"):
                iolab.xray(shell.pid, load="echo")
            shell.kill()

    def test_a_process_that_has_ended(self) -> None:
        with subprocess.Popen(["true"]) as ended:
            os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
            with pytest.raises(UsageError, match="there is no process"):
                iolab.xray(ended.pid)

    def test_another_users(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with echo() as (server, _, _):
            monkeypatch.setattr("os.geteuid", lambda: 12345)
            with pytest.raises(UsageError, match="another user's"):
                iolab.xray(server.pid)
            assert processes.family(server.pid) == [server.pid]

    def test_no_strace(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        with echo() as (server, port, _):
            monkeypatch.setenv("PATH", str(tmp_path))
            with pytest.raises(UsageError, match="strace is not installed"):
                iolab.xray(server.pid, tracer="strace")
            assert answers(port)

    def test_ptrace_forbidden(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        strace = tmp_path / "strace"
        line = "strace: attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted"
        strace.write_text(f"#!/bin/sh\necho '{line}' >&2\nexit 1\n")
        strace.chmod(0o755)
        with echo() as (server, port, _):
            monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
            with pytest.raises(UsageError, match=r"the kernel refuses ptrace\(2\) here"):
                iolab.xray(server.pid)
            assert answers(port)


FORBIDDEN = """
import os, sys, iolab
from iolab.kernel.confinement import refuse
refuse({"x86_64": 101, "aarch64": 117}[os.uname().machine])
target = sys.argv[1:] if len(sys.argv) > 2 else int(sys.argv[1])
try:
    iolab.xray(target)
except iolab.UsageError as error:
    print(error)
"""


@pytest.mark.certify
@pytest.mark.usefixtures("traceable")
class TestForbidden:
    """The kernel itself refuses ptrace, and the server serves on."""

    def test_by_a_filter_of_system_calls(self) -> None:
        with echo() as (server, port, _):
            for target in ([str(server.pid)], ["sleep", "9"]):
                command = [sys.executable, "-c", FORBIDDEN, *target]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                assert "the kernel refuses ptrace(2) here" in done.stdout
                assert answers(port)

    def test_by_a_lack_of_rights(self) -> None:
        if os.geteuid() or not shutil.which("setpriv"):
            pytest.skip("root gives the right to trace away here, by setpriv")
        with echo() as (server, port, _):
            rights = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
            done = subprocess.run([*rights, *IOLAB, "xray", str(server.pid)], capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (2, "")
            (line,) = done.stderr.splitlines()
            assert "the kernel refuses ptrace(2) here" in line
            assert answers(port)


@pytest.mark.certify
@pytest.mark.usefixtures("traceable")
class TestLarge:
    def test_500_threads(self) -> None:
        sleepers = "[threading.Thread(target=threading.Event().wait, daemon=True).start() for _ in range(500)] and 0"
        with echo(sleepers) as (server, port, _):
            picture = iolab.xray(server.pid, seconds=2, load="echo")
            assert picture.verdict.like == "threads"
            assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) >= 501
            assert all(status(thread)["TracerPid"] == "0" for thread in processes.threads_of([server.pid]))
            assert answers(port)

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("model", ["epoll", "asyncio"])
    def test_10_000_connections_in_the_midst(self, model: str) -> None:
        many = min(10_000, raise_limit() - 100)
        with Serving(model) as serving, ExitStack() as stack, ThreadPoolExecutor() as pool:
            watch = pool.submit(iolab.xray, serving.process.pid, seconds=60)
            wait_until(lambda: status(serving.process.pid)["TracerPid"] != "0")
            for number in range(many):
                peer = stack.enter_context(socket.create_connection(serving.address, 60))
                if number % 500 == 0:
                    peer.sendall(b"hello")
                    assert peer.recv(99) == b"HELLO"
            picture = watch.result()
            assert picture.verdict.like == "epoll"
            # Under strace the queue may run full, and then each wake-up does take one connection.
            assert {each.kind for each in picture.findings} <= {"accepts one at a time under a full queue"}
            assert status(serving.process.pid)["TracerPid"] == "0"
            assert answers(serving.address[1])

    def test_a_server_that_forks_and_whose_children_end(self) -> None:
        forks = "threading.Thread(target=lambda: [os.fork() or os._exit(0) for _ in iter(int, 1)], daemon=True).start()"
        with echo(f"{forks} or 0") as (server, port, _):
            picture = iolab.xray(server.pid, seconds=2, load="echo")
            assert picture.verdict.like == "threads"
            assert status(server.pid)["TracerPid"] == "0"
            assert answers(port)

    def test_it_is_as_fast_as_before(self) -> None:
        with Serving("epoll") as serving:
            cost = iolab.xray(serving.process.pid, seconds=2, load="echo").cost
            assert cost["latency_after_us"] < 2 * cost["latency_before_us"]


@pytest.mark.usefixtures("traceable")
class TestLeavesNoTrace:
    def test_a_server_serves_on_and_nobody_traces_it(self) -> None:
        with echo() as (server, port, _):
            picture = iolab.xray(server.pid, seconds=0.5, load="echo", connections=3)
            assert {"model", "waits_in", "processes", "threads", "calls_per_request", "vain_share", "findings"} <= set(
                json.loads(json.dumps(picture.as_dict()))
            )
            assert picture.model in repr(picture)
            assert status(server.pid)["TracerPid"] == "0"
            assert answers(port)

    def test_a_terminated_xray_lets_go(self) -> None:
        with echo() as (server, port, _):
            with subprocess.Popen(
                [*IOLAB, "xray", str(server.pid), "--seconds", "500"], stderr=subprocess.PIPE
            ) as xray:
                wait_until(lambda: status(server.pid)["TracerPid"] != "0")
                xray.send_signal(signal.SIGTERM)
                assert xray.wait(60) == 143
            assert status(server.pid)["TracerPid"] == "0"
            assert answers(port)

    def test_a_server_that_ends_meanwhile(self) -> None:
        kill = "os.fork() or (__import__('time').sleep(1), os.kill(os.getppid(), 9), os._exit(0))"
        with echo(kill) as (server, _, _), pytest.raises((ServerFailed, UsageError)) as error:
            iolab.xray(server.pid, seconds=500)
        assert len(str(error.value).splitlines()) == 1

    def test_nothing_served(self) -> None:
        with echo() as (server, _, _), pytest.raises(UsageError, match=r"nothing was served in 0\.5 s"):
            iolab.xray(server.pid, seconds=0.5)

    def test_a_command_is_ended_with_its_children(self, tmp_path: Path) -> None:
        note = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
        child = f"os.fork() or (os.setsid(), {note}, __import__('time').sleep(999))"
        iolab.xray([sys.executable, "-SEc", ECHO.replace("CHILD", child)], seconds=0.5, load="echo")
        assert not status(int((tmp_path / "pid").read_text()))


@pytest.fixture(scope="session")
def calls_by_tracepoint() -> None:
    """Skip where the kernel does not tell of calls; it takes a third of a second to ask."""
    if reason := events.why_not():
        pytest.skip(reason)


@pytest.mark.usefixtures("calls_by_tracepoint")
def test_tracepoints_in_place_of_strace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no strace
    with echo() as (server, port, _):
        picture = iolab.xray(server.pid, seconds=0.5, load="echo")
        assert picture.cost["tracer"] == "tracepoints"
        assert picture.counts.requests
        assert picture.timeline().find("recv")
        assert answers(port)


def test_tracepoints_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "why_not", lambda: "only root may read tracefs here")
    with echo() as (server, _, _), pytest.raises(UsageError, match="only root may read tracefs here; --tracer strace"):
        iolab.xray(server.pid, tracer="tracepoints")


def test_a_whole_reply_of_http() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert [is_http_reply(head[:9]), is_http_reply(head + b"o"), is_http_reply(head + b"ok")] == [False, False, True]
    assert is_http_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert is_http_reply(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    assert not is_http_reply(b"HTTP/1.0 200 OK\r\n\r\nuntil it closes")


@pytest.mark.certify
@pytest.mark.usefixtures("traceable")
@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("turn", range(20), ids=lambda turn: f"turn-{turn:02}")
def test_each_model_of_the_course_is_named_right(model: str, turn: int) -> None:
    """The confusion matrix: 20 turns of each model, every second one beside a process that wants all of a CPU."""
    if reason := MODELS[model].why_not():
        pytest.skip(reason)
    busy = busy_process(max(os.sched_getaffinity(0))) if turn % 2 else nullcontext()
    with busy, Serving(model) as serving:
        picture = iolab.xray(serving.process.pid, seconds=3, load="http" if model == "sanic" else "echo")
        assert (picture.verdict.kind, picture.verdict.mode, picture.verdict.arrangement) == EXPECTED[model]
        assert picture.verdict.exclusive == (model == "prefork-exclusive")
        kinds = [finding.kind for finding in picture.findings]
        assert kinds == FLAWED.get(model, []) or (turn % 2 and not kinds)  # who lacks a CPU spins less
        assert all(status(pid)["TracerPid"] == "0" for pid in family(serving.process.pid))
        serving.process.terminate()
        serving.process.wait(60)


@pytest.mark.certify
@pytest.mark.usefixtures("calls_by_tracepoint")
@pytest.mark.parametrize("model", list(MODELS))
def test_tracepoints_name_each_model_as_strace_does(model: str) -> None:
    if reason := MODELS[model].why_not():
        pytest.skip(reason)
    with Serving(model) as serving:
        load = "http" if model == "sanic" else "echo"
        picture = iolab.xray(serving.process.pid, seconds=3, load=load, tracer="tracepoints")
        serving.process.terminate()
        serving.process.wait(60)
    assert (picture.verdict.kind, picture.verdict.mode, picture.verdict.arrangement) == EXPECTED[model]
    assert [finding.kind for finding in picture.findings] == FLAWED.get(model, [])
