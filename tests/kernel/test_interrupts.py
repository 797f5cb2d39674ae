"""`iolab.kernel.interrupts`: an interrupt finds a context not begun or entered, never in between."""

import asyncio
import logging
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import iolab
from iolab import experiments
from iolab.kernel.interrupts import ENDS, InOnePiece, complete, hold
from iolab.models import find
from tests.census import children


@contextmanager
def opens(events: list[str], at: str) -> Iterator[str]:
    """A context that is interrupted when it has begun, or in its block, or never."""
    events.append("opens")
    if at == "begun":
        signal.raise_signal(signal.SIGINT)
    try:
        yield "value"
    finally:
        events.append("closes")


@pytest.mark.parametrize("at", ["begun", "block", "never"])
def test_what_opens_closes(at: str) -> None:
    events: list[str] = []
    try:
        with InOnePiece(lambda: opens(events, at)) as value:
            events.append(value)
            if at == "block":
                signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        events.append("interrupted")
    expected = {
        "begun": ["opens", "closes", "interrupted"],
        "block": ["opens", "value", "closes", "interrupted"],
        "never": ["opens", "value", "closes"],
    }
    assert events == expected[at]


def test_a_signal_waits_for_the_end_and_the_handlers_are_as_before() -> None:
    before = {number: signal.getsignal(number) for number in ENDS}
    events: list[str] = []
    try:
        with hold():
            signal.raise_signal(signal.SIGINT)
            events.append("goes on")
    except KeyboardInterrupt:
        events.append("interrupted")
    assert events == ["goes on", "interrupted"]
    assert {number: signal.getsignal(number) for number in ENDS} == before


def test_an_error_in_between_is_told_and_the_interrupt_is_not_lost() -> None:
    def fail() -> None:
        with hold():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("made up")

    with pytest.raises(KeyboardInterrupt) as caught:
        fail()
    assert isinstance(caught.value.__context__, ValueError)


class Ended(BaseException):
    """What a handler of a test raises."""


@pytest.fixture
def ends() -> Iterator[None]:
    """Let SIGTERM raise Ended, wherever the main thread is."""

    def end(number: int, frame: object) -> None:
        raise Ended

    before = signal.signal(signal.SIGTERM, end)
    yield
    assert signal.signal(signal.SIGTERM, before) is end


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize("at", ["in a task beside", "before the first task", "never"])
def test_a_coroutine_cleans_up_and_no_task_is_left_behind(at: str, caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []

    async def work() -> None:
        if at == "in a task beside":
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(600)

    async def main() -> str:
        try:
            await asyncio.gather(work(), work())
        finally:
            await asyncio.sleep(0)
            events.append("cleaned up")
        return "value"

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            asyncio.set_event_loop_policy(None)
            signal.raise_signal(signal.SIGTERM)
            return asyncio.new_event_loop()

    if at == "before the first task":
        asyncio.set_event_loop_policy(Policy())
    with caplog.at_level(logging.DEBUG):
        try:
            events.append(complete(main()))
        except Ended:
            events.append("ended")
    expected = {
        "in a task beside": ["cleaned up", "ended"],
        "before the first task": ["ended"],
        "never": ["cleaned up", "value"],
    }
    assert events == expected[at]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_another_thread_leaves_the_handlers_alone() -> None:
    handlers: list[Any] = []

    def look() -> None:
        with hold():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


CALLS: dict[str, Callable[[], Any]] = {
    "measure": lambda: iolab.measure("epoll", connections=1, seconds=20),
    "timeline": lambda: iolab.timeline("epoll", connections=1, seconds=20),
    "compare": lambda: iolab.compare(["epoll"], [1], seconds=20),
    "compare fresh": lambda: iolab.compare(["epoll"], [1], seconds=20, fresh=True),
    "experiment": lambda: experiments.gil(seconds=20),
    "check": lambda: iolab.check("03-epoll", find("epoll").serve),
}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it looks for children in /proc")
@pytest.mark.parametrize("name", CALLS)
def test_no_process_is_left_when_the_interrupt_comes_as_it_is_forked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork, before = subprocess._fork_exec, children()  # type: ignore[attr-defined]

    def fork_and_interrupt(*arguments: Any) -> int:
        pid: int = fork(*arguments)
        signal.raise_signal(signal.SIGINT)
        return pid

    monkeypatch.setattr(subprocess, "_fork_exec", fork_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        CALLS[name]()
    assert children() == before
    assert not [thread for thread in threading.enumerate() if thread.name == "iolab epoll"]
