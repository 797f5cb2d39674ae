"""The judge is told of the calls by which an answer receives and sends on connections, and of no others."""

import platform
import random
import socket

import pytest

from iolab.exercises.peers import Peer
from iolab.exercises.sandbox.notes import SECCOMP
from iolab.exercises.trial import Trial

pytestmark = pytest.mark.skipif(platform.machine() not in SECCOMP, reason="no numbers of calls for this machine")

SERVE = """
import os, socket

def serve(listening, respond):
    left, right = socket.socketpair()
    right.send(b"own business")
    left.recv(100)
    connection, _ = listening.accept()
    while data := RECEIVE:
        SEND
"""


@pytest.mark.parametrize(
    ("receive", "send", "calls"),
    [
        ("connection.recv(100)", "connection.sendall(respond(data))", {"recv": 2, "send": 2}),
        ("os.read(connection.fileno(), 100)", "os.write(connection.fileno(), respond(data))", {"read": 2, "write": 2}),
        ("connection.recvmsg(100)[0]", "connection.sendmsg([respond(data)])", {"recv": 2, "send": 2}),
    ],
)
def test_calls_on_connections_are_noted(receive: str, send: str, calls: dict[str, int]) -> None:
    answer = SERVE.replace("RECEIVE", receive).replace("SEND", send)
    with Trial(answer, "serve", random.Random(1), notes=True) as trial, Peer(trial) as peer:
        for request in (b"one", b"two"):
            peer.ask(request, "a client")
        peer.connection.shutdown(socket.SHUT_WR)
        assert trial.wait_for_end() == 0
        assert trial.notes
        assert trial.notes.calls == {name: times + (name in ("recv", "read")) for name, times in calls.items()}


def test_nothing_is_noted_unless_it_is_asked_for() -> None:
    answer = SERVE.replace("RECEIVE", "connection.recv(100)").replace("SEND", "connection.sendall(respond(data))")
    with Trial(answer, "serve", random.Random(1)) as trial, Peer(trial) as peer:
        peer.ask(b"one", "a client")
        assert trial.notes is None
