"""What every test leans on: a progress file of its own, and a census of what a test leaves behind.

What only a quiet machine can hold, or what takes minutes, is marked `certify` and left out unless asked for.
"""

import gc
import itertools
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from iolab.kernel import tracepoints
from iolab.kernel.descriptors import raise_limit
from tests.census import children, descriptors


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "certify: minutes of load, or bounds that need a quiet machine (-m certify)")
    config.addinivalue_line("markers", "by_kind: dear; every day for one model of each kind, for the others in certify")
    raise_limit()  # as the first load of a process does for good: a test that holds it would seem to leave something
    # A shell ignores SIGINT in what runs in the background of a script, nohup(1) SIGHUP; and children inherit it.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("markexpr"):
        return
    kinds: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        kinds[item.get_closest_marker("certify") is not None].append(item)
    config.hook.pytest_deselected(items=kinds[True])
    items[:] = kinds[False]


class KeepTogether(LoadScopeScheduling):  # type: ignore[misc]
    """Give to one worker what shares a thing that was made, and any other test to any.

    That is all of a module that makes something once, and of one that keeps what it makes (`@cache`) those with the
    same parameter.
    """

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        text = code_of(self.config.rootpath / module)
        if 'scope="module"' in text:
            return module
        _, bracket, parameter = test.partition("[")
        return f"{module}[{parameter}" if bracket and "@cache" in text else nodeid


@cache
def code_of(module: Path) -> str:
    """Return the text of a module of tests, and of the fixtures beside it."""
    return "".join(path.read_text() for path in (module, module.with_name("conftest.py")) if path.exists())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> KeepTogether:
    return KeepTogether(config, log)


NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def own_progress(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep guesses and verdicts of a test out of the folder that the tests run in; most tests write none."""
    monkeypatch.setenv("IOLAB_PROGRESS", str(tmp_path_factory.getbasetemp() / f"progress-{next(NUMBERS)}.json"))


@pytest.fixture
def progress_file(own_progress: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which a test finds guesses and verdicts, in a folder of its own."""
    path = tmp_path / "progress.json"
    monkeypatch.setenv("IOLAB_PROGRESS", str(path))
    return path


@pytest.fixture(scope="session")
def kernel_steps() -> None:
    """Skip where the steps of the kernel cannot be recorded. It takes a quarter of a second to ask."""
    if reason := tracepoints.why_not():
        pytest.skip(reason)


ENDS_S = 10.0
"""How long a thread that is about to end may take."""


@dataclass(frozen=True)
class Census:
    """What a process holds: descriptors by number and target, threads, child processes, signal handlers."""

    descriptors: dict[int, str]
    threads: dict[int | None, str]
    children: set[int]
    handlers: dict[int, object]


def census() -> Census:
    gc.collect()  # Dask closes the connection to a scheduler that was none when it is collected, in whatever test
    # pytest-timeout's thread is a Timer, and ends early if the test fails.
    alive = [thread for thread in threading.enumerate() if not isinstance(thread, threading.Timer)]
    threads = {thread.native_id: thread.name for thread in alive}
    handlers: dict[int, object] = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return Census(descriptors(), threads, children(), handlers)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail if the test leaves a descriptor, a thread, a process or a signal handler."""
    before = census()
    gc.freeze()  # a collection then looks at what the test makes, and not at all that was ever imported
    yield
    assert unlike(before) == {}


def unlike(before: Census) -> dict[str, object]:
    """Return what is not as it was. A thread may be about to end, now or before: a loop's pool is not waited for."""
    deadline = time.monotonic() + ENDS_S
    while (after := census()) and after.threads.keys() - before.threads.keys() and time.monotonic() < deadline:
        time.sleep(0.005)
    threads = {number: name for number, name in after.threads.items() if number not in before.threads}
    others = [each.name for each in fields(Census) if each.name != "threads"]
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in others}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} | (
        {"threads": threads} if threads else {}
    )
