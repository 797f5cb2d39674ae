"""The timeline agrees with strace on the same run: the same calls, in the same order, with the same results."""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iolab.models import MODELS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("recorded.py")
REQUESTS = 20

NAMES = {
    "accept4": "accept",
    "accept": "accept",
    "recvfrom": "recv",
    "recvmsg": "recv",
    "sendto": "send",
    "sendmsg": "send",
    "epoll_wait": "epoll_wait",
    "epoll_pwait": "epoll_wait",
    "poll": "poll",
    "select": "select",
    "pselect6": "select",
    "rt_sigtimedwait": "sigwait",
    "io_uring_enter": "io_uring_enter",
    "close": "close",
}
"""What a system call is called in a timeline."""

RECORDED = {"io_uring_submit": "io_uring_enter", "sendall": "send", "sigwaitinfo": "sigwait", "sigtimedwait": "sigwait"}
"""What a call of Python is as a system call; a short sendall is one send."""

LINE = re.compile(r"(\w+)\(([^,)]*).*\) += (-?\d+)(?: (E\w+))?.*$")
Step = tuple[str, int | None, int | str]
"""A call, the descriptor if it is of one connection, and its result."""

MODELS_HERE = [
    "blocking", "threads", "nonblocking", "select", "poll", "epoll", "epoll-edge", "selectors", "signals", "coroutines",
    "asyncio", "asyncio-protocol",
]  # fmt: skip
DAILY = ("threads", "nonblocking", "select", "epoll", "signals", "asyncio")
"""Those whose traces differ in kind; the others are compared in certify."""


def why_not() -> str | None:
    """Say why strace cannot be used here, or return None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {tried.stderr.strip()[:200]}" if tried.returncode else None


@pytest.fixture(scope="module", autouse=True)
def traced() -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)


def strace_count(out: Path) -> list[str]:
    """Return the command that has strace count the entries of a ring (`strace -c`)."""
    return ["strace", "-f", "-c", "-U", "calls,name", "-e", "trace=io_uring_enter", "-o", str(out)]


def perf_count(out: Path) -> list[str]:
    """Return the command that has the kernel count them, which slows nothing down (`perf-stat(1)`)."""
    return ["perf", "stat", "-x", " ", "-e", "syscalls:sys_enter_io_uring_enter", "-o", str(out)]


def why_not_count(command: list[str]) -> str | None:
    """Say why a command cannot count here: not every user may."""
    if not shutil.which(command[0]):
        return f"{command[0]} is not installed"
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    return f"{command[0]} cannot count here: {tried.stderr.strip()[:200]}" if tried.returncode else None


def run(model: str, connections: int, to: Path) -> tuple[list[list[Any]], list[list[Step]]]:
    """Record a model under strace, and return its timeline, and what strace saw of every thread."""
    command = ["strace", "-ff", "-qq", "-s", "0", "-e", "signal=none", "-e", f"trace={','.join(NAMES)}", "-o", str(to)]
    script = [sys.executable, str(SCRIPT), model, str(connections), str(REQUESTS)]
    done = subprocess.run(
        [*command, *script], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), [steps_of(path) for path in to.parent.glob(f"{to.name}.*")]


def steps_of(path: Path) -> list[Step]:
    """Return the calls of one thread that strace wrote down."""
    found = (LINE.match(line) for line in path.read_text().splitlines())
    return [
        step(NAMES[call[1]], int(call[2]) if call[2].isdigit() else None, call[4] or int(call[3]))
        for call in found
        if call
    ]


def step(name: str, descriptor: int | None, result: int | str) -> Step:
    return name, descriptor if name in ("recv", "send", "close") else None, result


def timeline_steps(rows: list[list[Any]]) -> list[list[Step]]:
    """Return the calls of every thread of a timeline, with the descriptors that `accept` returned.

    A thread that only closes is the one that stopped the server.
    """
    descriptors = {
        connection: result for name, connection, result, _ in rows if name == "accept" and connection is not None
    }
    threads: dict[int, list[Step]] = defaultdict(list)
    for name, connection, result, thread in rows:
        threads[thread].append(step(RECORDED.get(name, name), descriptors.get(connection), result))
    return [steps for steps in threads.values() if {name for name, *_ in steps} != {"close"}]


def of_the_server(steps: list[Step], recorded: list[list[Step]]) -> list[Step]:
    """Leave out what is not of this server's connections: the pipes of an event loop, and files."""
    kinds = {name for thread in recorded for name, *_ in thread}
    descriptors = {descriptor for thread in recorded for _, descriptor, _ in thread}
    return [found for found in steps if found[0] in kinds and found[1] in descriptors]


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=() if name in DAILY else pytest.mark.certify) for name in MODELS_HERE]
)
def test_the_same_calls_in_the_same_order_with_the_same_results(model: str, tmp_path: Path) -> None:
    rows, seen = run(model, 3 if MODELS[model].serves_many else 1, tmp_path / "strace")
    recorded = timeline_steps(rows)
    assert sum(name == "send" for thread in recorded for name, *_ in thread) == REQUESTS
    traced = [of_the_server(steps, recorded) for steps in seen]
    for thread in recorded:
        assert thread in traced


@pytest.mark.parametrize("model", ["io_uring-oneshot", "io_uring"])
def test_every_entry_of_a_ring_with_how_many_orders_it_handed_over(model: str, tmp_path: Path) -> None:
    if MODELS[model].why_not():
        pytest.skip(str(MODELS[model].why_not()))
    rows, seen = run(model, 3, tmp_path / "strace")
    recorded = [result for name, _, result, _ in rows if name in ("io_uring_enter", "io_uring_submit")]
    traced = [[result for name, _, result in steps if name == "io_uring_enter"] for steps in seen]
    assert recorded in traced
    assert [name for name, _, result, _ in rows if result].count("received") == REQUESTS
    assert [name for name, *_ in rows].count("sent") == REQUESTS


@pytest.mark.certify
@pytest.mark.parametrize("counter", [strace_count, perf_count])
@pytest.mark.parametrize("connections", [1, 10, 50])
@pytest.mark.parametrize("model", ["io_uring-oneshot", "io_uring"])
def test_the_entries_of_a_ring_are_as_many_as_others_count(
    model: str, connections: int, counter: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    command = counter(tmp_path / "count")
    if reason := MODELS[model].why_not() or why_not_count(command):
        pytest.skip(reason)
    script = [sys.executable, str(SCRIPT), model, str(connections), "2000"]
    env = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    recorded = [name for name, *_ in json.loads(done.stdout) if name in ("io_uring_enter", "io_uring_submit")]
    counted = re.search(r"^ *(\d+).*io_uring_enter", (tmp_path / "count").read_text(), re.MULTILINE)
    assert counted and int(counted[1]) == len(recorded) > 0
