"""The suite over the models can fail: it catches the flaws of the source text's servers, and others as common.

Each flaw is put into the text of `epoll`; the tests named with it must fail.
"""

import gc
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from iolab.background import ReplyWarning
from iolab.errors import ServerFailed
from iolab.kernel.threads import raise_in
from iolab.listening import Stopped
from iolab.models import MODELS, Serve
from iolab.traffic.faults import connections
from tests.servers import support, test_conformance, test_faults, test_hostile
from tests.servers.support import Subject
from tests.servers.traces import left, traces
from tests.servers.wire import Raw

Swap = tuple[str, str]
Test = Callable[[Subject], None]

READS_ON: list[Swap] = [
    ("interest.modify(descriptor, EPOLLOUT)", "interest.modify(descriptor, EPOLLIN | EPOLLOUT)"),
    ("for descriptor, _ in", "for descriptor, events in"),
    ("elif descriptor in unsent:", "elif descriptor in unsent and not events & EPOLLIN:"),
    ("send(descriptor, respond(request))", "send(descriptor, bytes(unsent.get(descriptor, b'')) + respond(request))"),
]

KEEPS: Swap = ("unsent: ", "lost = []\n    unsent: ")

FLAWS: dict[str, tuple[list[Swap], list[Test]]] = {
    "drops what a send did not take": (
        [("if sent < len(reply):", "if False:")],
        [
            test_conformance.test_a_half_close_with_replies_still_owed,
            test_faults.test_a_slow_reader_with_megabytes_owed,
            test_faults.test_a_client_stopped_with_sigstop,
            test_hostile.test_a_reply_in_hundreds_of_partial_sends,
        ],
    ),
    "ends at a reset": (
        [
            (
                "except OSError:  # reset by the peer\n                    close",
                "except KeyError:\n                    close",
            )
        ],
        [
            test_faults.test_a_reset_in_mid_request,
            test_faults.test_a_reset_before_accept,
            test_faults.test_a_reply_that_raises,
            test_hostile.test_200_resets_at_once,
        ],
    ),
    "leaves connections blocking": (
        [("connection.setblocking(False)", "pass")],
        [test_faults.test_a_slow_reader_with_megabytes_owed, test_faults.test_a_client_stopped_with_sigstop],
    ),
    "decodes what it receives": (
        [("respond(request)", "respond(request.decode().encode())")],
        [test_conformance.test_binary_data, test_conformance.test_64_mib_through_one_connection],
    ),
    "takes bytes for ASCII": (
        [("respond(request)", "respond(request.replace(b'\\r\\n', b'\\n'))")],
        [test_conformance.test_binary_data],
    ),
    "says a byte too many": (
        [("respond(request)", "respond(request) + b'\\0'")],
        [test_conformance.test_echo_of_one_message, test_hostile.test_urgent_data],
    ),
    "reads on while it owes": (
        READS_ON,
        [
            test_faults.test_a_slow_reader_with_megabytes_owed,
            test_conformance.test_a_half_close_with_replies_still_owed,
        ],
    ),
    "never closes": (
        [
            ("connections.pop(descriptor).close()", "lost.append(connections.pop(descriptor))"),
            KEEPS,
        ],
        [
            test_conformance.test_echo_of_one_message,
            test_faults.test_10000_connects_and_closes,
            test_hostile.test_200_resets_at_once,
        ],
    ),
    "keeps something of every connection": (
        [
            (
                "connections.pop(descriptor).close()",
                "lost.append((connections.pop(descriptor).close(), bytearray(4096)))",
            ),
            KEEPS,
        ],
        [test_faults.test_10000_connects_and_closes],
    ),
    "does not wait": (
        [("interest.poll()", "interest.poll(0)")],
        [test_conformance.test_an_idle_server_rests, test_faults.test_1000_idle_connections],
    ),
    "waits for everything on every connection": (
        [
            ("interest.modify(descriptor, EPOLLIN)", "pass"),
            ("register(connection, EPOLLIN)", "register(connection, EPOLLIN | EPOLLOUT)"),
        ],
        [test_conformance.test_an_idle_server_rests],
    ),
    "forgets that a fork has copies": (
        [("interest.unregister(descriptor)", "pass")],
        [test_hostile.test_connections_that_a_fork_still_holds],
    ),
    "leaves those waiting for whom it has no descriptor": (
        [("listening.accept()", "socket.accept(listening)")],
        [test_faults.test_descriptors_used_up_and_freed_again],
    ),
}

DEAR = {test_faults.test_10000_connects_and_closes}


def cases() -> Iterator[Any]:
    """Yield each flaw with the tests that must catch it; every day the first of them, the others in certify."""
    for flaw, (swaps, tests) in FLAWS.items():
        for number, test in enumerate(tests):
            marks = [pytest.mark.certify] if number or test in DEAR else []
            yield pytest.param(swaps, test, id=f"{flaw}-{test.__name__}", marks=marks)


CASES = list(cases())


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait no longer than for a flaw to show: what is expected here does not come."""
    monkeypatch.setattr(connections, "CALL_TIMEOUT_S", 1.0)
    monkeypatch.setattr(support, "WITHIN_S", 1.0)


def flawed(swaps: list[Swap]) -> Serve:
    text = MODELS["epoll"].source
    for before, after in swaps:
        assert before in text, f"epoll.py no longer says {before!r}: put the flaw into what it says now"
        text = text.replace(before, after)
    names: dict[str, Any] = {}
    exec(compile(text, "flawed epoll", "exec"), names)
    serve: Serve = names["serve"]
    return serve


@pytest.mark.filterwarnings("ignore")  # a flawed server may leave anything
@pytest.mark.parametrize(("swaps", "test"), CASES)
def test_a_flaw_is_caught(swaps: list[Swap], test: Test) -> None:
    before = set(threading.enumerate())
    subject = Subject(MODELS["epoll"], Raw(), flawed(swaps), lambda name, value: None)
    with pytest.raises((AssertionError, OSError, ServerFailed, ReplyWarning)):
        test(subject)
    for thread in set(threading.enumerate()) - before:
        end(thread)


def end(thread: threading.Thread) -> None:
    """End a thread that runs: a server that does not hear Stopped would compute beside all later tests."""
    deadline = time.monotonic() + 5
    while thread.is_alive() and time.monotonic() < deadline:
        raise_in(thread, Stopped)
        thread.join(0.01)


@contextmanager
def a_descriptor() -> Iterator[None]:
    with Path(os.devnull).open():
        yield


@contextmanager
def a_thread() -> Iterator[None]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


@contextmanager
def a_process() -> Iterator[None]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield
        process.kill()


@contextmanager
def a_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    yield
    signal.signal(signal.SIGUSR2, before)


@contextmanager
def a_mask() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGIO])


@contextmanager
def a_replaced_function() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", object)
        yield


@pytest.mark.parametrize("trace", [a_descriptor, a_thread, a_process, a_handler, a_mask, a_replaced_function])
def test_a_trace_is_found(trace: Callable[[], AbstractContextManager[None]]) -> None:
    gc.collect()  # or what an earlier test left to the collector would be gone meanwhile
    before = traces()
    with trace():
        assert left(before) != []
    assert left(before) == []
