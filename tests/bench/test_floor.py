"""The C floor's server: it sends back what it should, whoever the peer is, and ends when told to."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bench import floor
from iolab.errors import UsageError
from tests.peers import connect, reset, watched

MIB = 1 << 20


pytestmark = pytest.mark.usefixtures("built")


def send_all(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def receive_all(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(MIB):
        chunks.append(chunk)
    return b"".join(chunks)


def fill(connection: socket.socket) -> bytes:
    """Send without reading, until neither side has room, and return what was sent."""
    text, sent = bytes(range(256)) * 4096, b""
    connection.setblocking(False)
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < 0.2:
        try:
            taken = connection.send(text)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        sent, quiet_since = sent + text[:taken], time.monotonic()
        text = text[taken:] + text[:taken]
    connection.setblocking(True)
    return sent


class TestServer:
    def test_64_mib_come_back_in_upper_case(self, server: floor.Server) -> None:
        sent = np.random.default_rng(1).bytes(MIB) * 64
        with connect(server.address) as connection:
            sender = threading.Thread(target=send_all, args=(connection, sent))
            sender.start()
            reply = receive_all(connection)
            sender.join()
        assert len(reply) == len(sent)
        assert hashlib.sha256(reply).digest() == hashlib.sha256(sent.upper()).digest()

    def test_a_half_closed_connection_gets_its_reply(self, server: floor.Server) -> None:
        with connect(server.address) as connection:
            connection.sendall(b"half close")
            connection.shutdown(socket.SHUT_WR)
            assert receive_all(connection) == b"HALF CLOSE"

    def test_a_slow_reader_holds_up_nobody_and_loses_nothing(self, server: floor.Server) -> None:
        with connect(server.address) as slow, connect(server.address) as quick:
            sent = fill(slow)
            quick.sendall(b"quick")
            assert quick.recv(100) == b"QUICK"
            slow.shutdown(socket.SHUT_WR)
            assert receive_all(slow) == sent.upper()
        assert len(sent) > 65536

    @pytest.mark.certify
    def test_it_waits_without_spinning_for_a_slow_reader(self, server: floor.Server) -> None:
        with connect(server.address) as slow:
            fill(slow)
            before_ns = server.cpu_ns()
            time.sleep(0.5)
            assert server.cpu_ns() - before_ns < 50_000_000

    def test_a_reset_ends_one_connection_only(self, server: floor.Server) -> None:
        with connect(server.address) as third:
            idle, owed = connect(server.address), connect(server.address)
            fill(owed)
            reset(idle)
            reset(owed)
            third.sendall(b"still here")
            assert third.recv(100) == b"STILL HERE"

    @pytest.mark.certify
    def test_cpu_time_grows_with_the_work(self, server: floor.Server) -> None:
        before_ns = server.cpu_ns()
        floor.client(server.address[1], 1, 64, requests=100)
        little_ns = server.cpu_ns() - before_ns
        floor.client(server.address[1], 1, 64, requests=10_000)
        assert server.cpu_ns() - before_ns > 10 * little_ns > 0

    def test_it_can_be_pinned(self) -> None:
        cpu = max(os.sched_getaffinity(0))
        with floor.Server(cpu=cpu) as pinned:
            assert os.sched_getaffinity(pinned.pid) == {cpu}

    @pytest.mark.parametrize("cpu", [-1, 4095, 1 << 40])
    def test_a_cpu_that_is_not_there_is_named(self, cpu: int) -> None:
        with pytest.raises(UsageError, match=str(cpu)), floor.Server(cpu=cpu):
            pass


class TestServerEnds:
    def start(self) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        started = subprocess.Popen([floor.build() / "server"], stdin=pipe, stdout=pipe)
        assert started.stdout is not None
        assert int(started.stdout.readline()) > 0
        return started

    def test_when_its_input_ends(self) -> None:
        with self.start() as started:
            assert started.stdin is not None
            started.stdin.write(b"anything but an end\n")
            started.stdin.flush()
            with pytest.raises(subprocess.TimeoutExpired):
                started.wait(0.2)
            started.stdin.close()
            assert started.wait(10) == 0

    def test_on_sigterm(self) -> None:
        with self.start() as started:
            started.terminate()
            assert started.wait(10) == -signal.SIGTERM

    def test_with_its_parent_though_its_input_stays_open(self) -> None:
        text = (
            "import os, subprocess, sys; child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE);"
            "child.stdout.readline(); os.write(1, b'%d' % child.pid); os._exit(0)"
        )
        reading, writing = os.pipe()
        command = [sys.executable, "-c", text, str(floor.build() / "server")]
        parent = subprocess.run(command, stdin=reading, capture_output=True, check=True)
        with suppress(ProcessLookupError), watched(int(parent.stdout)) as ended:
            assert ended(10)
        os.close(reading)
        os.close(writing)


class TestBuild:
    def test_without_a_compiler_one_sentence_says_so(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(floor, "BUILD", tmp_path / "build")
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CC", raising=False)
        with pytest.raises(floor.NoFloor, match=r"needs a C compiler, .*; install gcc or clang, or set CC$"):
            floor.build()

    def test_a_second_build_builds_nothing(self) -> None:
        before = (floor.build() / "server").stat().st_mtime_ns
        assert (floor.build() / "server").stat().st_mtime_ns == before
