"""Interrupts reach the one who waits: no thread of ours takes a signal that is meant for the main thread."""

import ast
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import iolab
from iolab.kernel import threads
from iolab.traffic.process import Client
from tests.peers import Peer, connect, upper

ROOT = Path(iolab.__file__).parent
RUNNABLE = [name for name, model in iolab.MODELS.items() if model.why_not() is None]
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENDS_S = 30.0
TIMES = 50

SERVE = """
import os, sys
from iolab.cli.main import main
import iolab.models, iolab.measurement.run
for line in sys.stdin:  # a process for each line, forked: the imports are made once
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(write_end, 1)
        main(["serve", line.strip(), "--json"], prog_name="iolab")
    os.close(write_end)
    with os.fdopen(read_end) as says:
        print(pid, says.readline(), end="", flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Serves in a fresh process for each model that it reads, says where, and how that process ended."""


def blocked_by(task: int) -> set[int]:
    """Return the signals that a thread of this process blocks (`proc_pid_status(5)`)."""
    return mask_of(Path(f"/proc/self/task/{task}/status"))


def mask_of(status: Path) -> set[int]:
    line = next(line for line in status.read_text().splitlines() if line.startswith("SigBlk:"))
    bits = int(line.split()[1], 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the mask of a thread (/proc)")
@pytest.mark.parametrize("model", RUNNABLE)
def test_no_thread_of_a_server_takes_a_signal_of_the_process(model: str) -> None:
    before = set(threads.task_ids())
    with iolab.start(model) as server:
        wrap = iolab.MODELS[model].wrap
        with connect(server.address) as left:
            left.sendall(wrap(b"question") if wrap else b"question")
            assert left.recv(1000)
        with connect(server.address) as client:
            client.sendall(wrap(b"question") if wrap else b"question")
            assert client.recv(1000)
            ours = {task: blocked_by(task) for task in set(threads.task_ids()) - before}
    assert ours
    assert all(set(ENDS) <= mask for mask in ours.values()), ours


def test_the_mask_is_there_from_the_first_instruction() -> None:
    masks: list[set[int]] = []
    thread = threads.start(threading.Thread(target=lambda: masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))))
    thread.join()
    assert masks == [signal.valid_signals() - threads.OPEN - {signal.SIGKILL, signal.SIGSTOP}]
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.usefixtures("nothing_left")
def test_a_client_that_a_background_thread_starts_blocks_nothing() -> None:
    masks: list[set[int]] = []

    def begin() -> None:
        with Client(peer.address, iolab.Workload(connections=1, requests=1)) as client:
            client.connect()
            masks.append(mask_of(Path(f"/proc/{client.pid}/status")))

    with Peer(upper) as peer:
        threads.start(threading.Thread(target=begin)).join()
    assert masks == [set()]


def bare_starts(path: Path) -> Iterator[str]:
    """Yield the places where a file starts something that it calls a thread by itself."""
    text = path.read_text()
    if "Thread(" not in text or path.parent.name in ("servers", "kernel"):  # a server's threads inherit its mask
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "start":
            of = ast.unparse(node.func.value)
            if not node.args and not node.keywords and of != "threads":
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {of}.start()"


def test_nobody_starts_a_thread_that_takes_signals() -> None:
    assert [place for path in ROOT.rglob("*.py") for place in bare_starts(path)] == []


@contextlib.contextmanager
def coming_and_going(address: Any, busy: bool, request: bytes) -> Iterator[None]:
    """Let two clients come, ask and leave again and again for the length of a block; or one, once."""
    over = threading.Event()

    def come() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                with socket.create_connection(address, ENDS_S) as client:
                    client.sendall(request)
                    client.recv(100)
                if not busy:
                    return

    clients = [threading.Thread(target=come) for _ in range(2 if busy else 1)]
    for client in clients:
        client.start()
    if not busy:
        clients[0].join()
    try:
        yield
    finally:
        over.set()
        for client in clients:
            client.join()


def interrupt(host: "subprocess.Popen[str]", model: str, number: int, busy: bool, after_s: float) -> int:
    """Serve, send a signal after so long, and return how the process ended."""
    assert host.stdin and host.stdout
    print(model, file=host.stdin, flush=True)
    pid, where = host.stdout.readline().split(" ", 1)
    server, wrap = json.loads(where), iolab.MODELS[model].wrap
    request = wrap(b"question") if wrap else b"question"  # sanic answers HTTP alone
    with coming_and_going((server["host"], server["port"]), busy, request):
        threading.Event().wait(after_s)
        os.kill(int(pid), number)
        return int(host.stdout.readline())


@contextlib.contextmanager
def serving_host() -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SERVE], stdin=pipe, stdout=pipe, text=True) as host:
        try:
            yield host
        finally:
            host.kill()


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("model", ["signals", "threads", "epoll", "asyncio"])
def test_a_signal_ends_a_server_beside_coming_and_going_clients(model: str, number: int) -> None:
    with serving_host() as host:
        assert interrupt(host, model, number, True, 0.02) == 128 + number


@pytest.mark.certify
@pytest.mark.timeout(600)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "under load"])
@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("model", RUNNABLE)
def test_fifty_of_fifty_in_the_terminal(model: str, number: int, busy: bool) -> None:
    draw = random.Random(f"{model} {number} {busy}")
    with serving_host() as host:
        ends = [interrupt(host, model, number, busy, draw.random() * 0.05) for _ in range(TIMES)]
    assert ends == [128 + number] * TIMES


ENDLESS = """
def serve(listening, respond):
    with listening:
        while True:
            with listening.accept()[0] as connection:
                while True:
                    pass
"""
"""An answer that a judge looks at for seconds."""


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("command", ["load", "compare", "compare --fresh", "timeline", "experiment", "grade"])
def test_a_signal_ends_every_command(command: str, number: int, tmp_path: Path) -> None:
    answer = tmp_path / "answer.py"
    answer.write_text(ENDLESS)
    with Peer(upper) as peer:
        host, port = peer.address
        arguments = {
            "load": [f"{host}:{port}", "--seconds", "60"],
            "compare": ["threads", "--seconds", "60"],
            "timeline": ["threads", "--seconds", "60"],
            "compare --fresh": ["threads", "--seconds", "60"],
            "experiment": ["gil"],
            "grade": ["03-select", str(answer)],
        }[command]
        environment = {**os.environ, "IOLAB_PROFILE": "full"}
        pipe = subprocess.PIPE
        line = [sys.executable, "-m", "iolab", *command.split(), *arguments]
        with subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
            children = until_it_has_a_child(process.pid)
            process.send_signal(number)
            rest = process.communicate(timeout=ENDS_S)
        assert (process.returncode, *rest) == (128 + number, "", "")
        for child in children:
            until_it_is_gone(child)


def until_it_has_a_child(pid: int) -> list[int]:
    """Wait until a process has started a load client or a judge, and return the children: then it waits for them."""
    while not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        os.sched_yield()
    return [int(child) for child in children]


def until_it_is_gone(pid: int) -> None:
    """Wait until a process has ended; the time-out of the test says if it never does."""
    while True:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        os.sched_yield()


SLOW_TO_END = """
import signal, time
from iolab.cli.interrupts import interruptible
with interruptible():
    try:
        print("waits", flush=True)
        signal.pause()
    finally:
        print("cleans up", flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("number", ENDS)
def test_the_second_signal_ends_it_on_the_spot(number: int) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SLOW_TO_END], stdout=pipe, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "waits\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleans up\n"
        process.send_signal(number)
        assert process.wait(ENDS_S) == -number


KERNEL = {
    "measure": "iolab.measure({model!r}, connections=4, seconds=30)",
    "timeline": "iolab.timeline({model!r}, connections=4, seconds=30)",
    "compare": "iolab.compare([{model!r}], [4], seconds=30)",
    "experiment": "iolab.experiments.gil(seconds=30)",
    "check": "iolab.check('03-select', serve)",
    "server": "server.wait()",
}
"""What a cell may be busy with when the learner interrupts it."""


NOTHING_LEFT = """
import threading
from pathlib import Path
held = [thread.name for thread in threading.enumerate() if "iolab" in thread.name]
for task in Path("/proc/self/task").iterdir():
    for child in (task / "children").read_text().split():
        held.append(Path(f"/proc/{child}/stat").read_text() + Path(f"/proc/{child}/cmdline").read_text())
if held:
    raise RuntimeError(held)
"""


@contextlib.contextmanager
def kernel() -> Iterator[tuple[Any, Any]]:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        imports = f"{ENDLESS}\nimport iolab, iolab.measurement.comparison, iolab.trace.timeline; iolab.experiments"
        client.execute_interactive(imports, timeout=ENDS_S)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def interrupt_cell(manager: Any, client: Any, code: str, after_s: float) -> str:
    """Run a cell, interrupt it, and return the name of the error that it ended with."""
    sent = client.execute(code, stop_on_error=False)  # or what is sent soon after an error is not run at all
    says = ""  # a line may come in two messages: a busy server takes the GIL between its text and its end
    while "begun\n" not in says:
        message = client.get_iopub_msg(timeout=ENDS_S)
        if message["parent_header"].get("msg_id") == sent:
            says += message["content"].get("text", "")
    threading.Event().wait(after_s)
    manager.interrupt_kernel()
    while True:
        message = client.get_shell_msg(timeout=ENDS_S)
        if message["parent_header"].get("msg_id") == sent:
            return str(message["content"].get("ename", "no error"))


def interrupt_cells(model: str, times: int) -> list[str]:
    draw, ends = random.Random(model), []
    with kernel() as (manager, client):
        for turn in range(times):
            kind = list(KERNEL)[turn % len(KERNEL)]
            opened = f"server = iolab.start({model!r})\n" if kind == "server" else ""
            code = f"{opened}print('begun', flush=True)\n{KERNEL[kind].format(model=model)}"
            ends.append(interrupt_cell(manager, client, code, 0.05 + draw.random() * 0.2))
            if kind == "server":
                client.execute_interactive("server.stop()", timeout=ENDS_S)
        ends.append(client.execute_interactive(NOTHING_LEFT, timeout=ENDS_S)["content"].get("evalue", "nothing left"))
    return ends


def test_an_interrupt_reaches_a_notebook() -> None:
    assert interrupt_cells("signals", 6) == ["KeyboardInterrupt"] * 6 + ["nothing left"]


@pytest.mark.certify
@pytest.mark.timeout(600)
@pytest.mark.parametrize("model", RUNNABLE)
def test_fifty_of_fifty_in_a_notebook(model: str) -> None:
    assert interrupt_cells(model, TIMES) == ["KeyboardInterrupt"] * TIMES + ["nothing left"]
