"""A timeline against what the test itself did: the same calls, the same bytes, in the same order."""

import select
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from types import FunctionType

import pytest

import iolab
from iolab.api import start
from iolab.background import Server
from iolab.models import find
from iolab.replies import upper
from iolab.trace.calls import Call, calls_of
from iolab.trace.rebinding import Rebinding
from iolab.trace.recorder import Recorder
from iolab.trace.standins import StandIns
from tests.peers import ask, connect

pytestmark = pytest.mark.usefixtures("nothing_left")


def recorded(model: str) -> tuple[Recorder, AbstractContextManager[Server]]:
    """Return a recorder, and a server of the model that is recorded by it, for a client of the test's own."""
    recorder = Recorder()
    plain = find(model).serve
    assert isinstance(plain, FunctionType)
    serve = Rebinding(StandIns(recorder).of, plain).function
    return recorder, start(serve, upper, listening=recorder.listen())


def told(calls: list[Call]) -> list[tuple[str, int | None, int | str]]:
    return [(call.name, call.connection, call.result) for call in calls if call.connection is not None]


@pytest.mark.parametrize(("model", "send"), [("blocking", "sendall"), ("threads", "sendall"), ("epoll", "send")])
def test_rows_are_the_calls_that_were_made_with_their_bytes_in_order(model: str, send: str) -> None:
    recorder, server = recorded(model)
    sizes = (1, 2, 300, 4)
    with server as running, connect(running.address) as client:
        for size in sizes:
            assert ask(client, b"x" * size) == b"X" * size
    calls = calls_of(recorder.rows, recorder.offset_ns)
    first, *rest = told(calls)
    assert (first[0], first[1]) == ("accept", 0)
    conversation = [row for size in sizes for row in (("recv", 0, size), (send, 0, size))]
    assert rest[: len(conversation)] == conversation
    assert all(before.start_ns <= after.start_ns for before, after in pairwise(calls))


def test_a_full_socket_is_shown_by_the_name_of_the_error() -> None:
    recorder, server = recorded("epoll")
    with server as running, connect(running.address) as client:
        fill(client.fileno(), client.send)
        while select.select([client], [], [], 0.2)[0]:
            client.recv(1 << 20)
    results = [call.result for call in calls_of(recorder.rows, recorder.offset_ns) if call.name == "send"]
    sent = [result for result in results if isinstance(result, int)]
    assert "EAGAIN" in results or min(sent) < max(sent)  # it took part of a reply, or nothing of it
    assert {result for result in results if isinstance(result, str)} <= {"EAGAIN", "EPIPE", "ECONNRESET"}


def fill(descriptor: int, send: Callable[[bytes, int], int]) -> None:
    """Send without reading, until there is no room in either direction."""
    while select.select([], [descriptor], [], 0.1)[1]:
        try:
            send(bytes(1 << 20), socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue


def test_calls_of_the_server_lie_within_the_requests_of_the_client() -> None:
    made = iolab.timeline("blocking", connections=1, requests=50)
    replies = [call for call in made.find("sendall") if call.result == 64]
    assert len(replies) == 50
    for reply, sent_ns, answered_ns in zip(replies, made.records.sent_ns, made.records.answered_ns, strict=True):
        assert sent_ns < reply.start_ns < answered_ns
