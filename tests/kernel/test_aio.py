"""Reads and writes of the C library: their results, their end, and how many threads there are for them."""

import errno

import pytest

from iolab.kernel import aio
from tests.kernel.conftest import Pair
from tests.kernel.support import run_script

pytestmark = pytest.mark.skipif(aio.why_not() is not None, reason=str(aio.why_not()))

ASK_BEHIND_SILENT_ONES = """
import socket, sys
from iolab.api import start
with start("aio") as server:
    silent = [socket.create_connection(server.address) for _ in range({silent})]
    with socket.create_connection(server.address) as asking:
        asking.sendall(b"question")
        asking.settimeout({patience_s})
        try:
            print(asking.recv(100).decode())
        except TimeoutError:
            print("waits")
            asking.settimeout(20)
            for connection in silent[:3]:  # these were first, and each of them holds a helper
                connection.close()
            print(asking.recv(100).decode())
    for connection in silent:
        connection.close()
"""


def test_a_client_waits_for_a_helper_thread() -> None:
    # With as many silent ones as helpers there is none for the asking one, nor for what the accepting thread tells.
    script = ASK_BEHIND_SILENT_ONES.format(silent=aio.GLIBC_HELPERS, patience_s=0.5)
    assert run_script(script, IOLAB_AIO_HELPERS=str(aio.GLIBC_HELPERS)).split() == ["waits", "QUESTION"]


def test_no_client_waits_as_the_course_has_it() -> None:
    script = ASK_BEHIND_SILENT_ONES.format(silent=40, patience_s=20)
    assert run_script(script) == "QUESTION"


def test_a_read_and_a_write(pair: Pair) -> None:
    ours, peer = pair
    with aio.Requests() as requests:
        requests.write(ours.fileno(), b"question")
        assert requests.wait() == [(ours.fileno(), 8, b"")]
        requests.read(ours.fileno(), 100)
        assert peer.recv(100) == b"question"
        peer.send(b"answer")
        assert requests.wait() == [(ours.fileno(), 6, b"answer")]


def test_an_error_is_its_number() -> None:
    with aio.Requests() as requests:
        requests.read(10**6, 1)
        assert requests.wait() == [(10**6, -errno.EBADF, b"")]


def test_a_pending_read_ends_with_the_block(pair: Pair) -> None:
    ours, peer = pair
    with ours, peer:
        with aio.Requests() as requests:
            requests.read(ours.fileno(), 100)
        assert peer.recv(1) == b""  # it was shut down
        peer.close()


def test_a_wrong_number_of_helpers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLAB_AIO_HELPERS", "many")
    assert "'many'" in str(aio.why_not())


def test_the_reason_names_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert "musl" in str(aio.why_not())
