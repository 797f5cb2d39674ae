"""The C floor's client: it counts every request once, keeps its schedule, and tells right from wrong."""

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import floor
from iolab.errors import UsageError
from tests.peers import DEAD

MIB = 1 << 20
Column = np.ndarray[Any, np.dtype[np.int64]]
Address = tuple[str, int]


@pytest.fixture(scope="module", autouse=True)
def build_floor() -> None:
    try:
        floor.build()
    except floor.NoFloor as why_not:
        pytest.skip(str(why_not))


@pytest.fixture
def server() -> Iterator[floor.Server]:
    with floor.Server() as running:
        yield running


def read(path: Path) -> tuple[Column, Column, Column, Column]:
    due_ns, sent_ns, answered_ns, connection = np.fromfile(path, dtype=np.int64).reshape(-1, 4).T
    return due_ns, sent_ns, answered_ns, connection


class TestClosedLoop:
    @pytest.mark.parametrize(("connections", "size_bytes"), [(1, 1), (10, 64), (100, 64), (3, 3 * MIB)])
    def test_every_request_is_counted_once(
        self, server: floor.Server, connections: int, size_bytes: int, tmp_path: Path
    ) -> None:
        wanted = 1000 if size_bytes < MIB else 10
        result = floor.client(server.address, connections, size_bytes, requests=wanted, records=tmp_path / "records")
        assert (result["requests"], result["errors"], result["error"]) == (wanted, 0, None)
        due_ns, sent_ns, answered_ns, connection = read(tmp_path / "records")
        assert len(sent_ns) == wanted
        assert set(connection) <= set(range(connections))
        assert (due_ns == sent_ns).all()
        assert (answered_ns > sent_ns).all()

    def test_one_request_is_under_way_per_connection(self, server: floor.Server, tmp_path: Path) -> None:
        floor.client(server.address, 7, 64, requests=2000, records=tmp_path / "records")
        _, sent_ns, answered_ns, connection = read(tmp_path / "records")
        for number in range(7):
            own = connection == number
            assert (sent_ns[own][1:] >= answered_ns[own][:-1]).all()

    def test_a_warm_up_is_left_out(self, server: floor.Server) -> None:
        result = floor.client(server.address, 10, 64, requests=500, warm_up_s=0.2)
        assert (result["requests"], result["errors"]) == (500, 0)

    def test_fewer_requests_than_connections(self, server: floor.Server) -> None:
        assert floor.client(server.address, 10, 64, requests=3)["requests"] == 3

    def test_percentiles_are_those_of_numpy(self, server: floor.Server, tmp_path: Path) -> None:
        result = floor.client(server.address, 10, 64, requests=4321, records=tmp_path / "records")
        _, sent_ns, answered_ns, _ = read(tmp_path / "records")
        for name, percent in {"p50": 50, "p90": 90, "p99": 99, "p999": 99.9, "max": 100}.items():
            expected_us = np.percentile(answered_ns - sent_ns, percent) / 1e3
            assert result[f"{name}_us"] == pytest.approx(expected_us, rel=0, abs=0.00006)


class TestOpenLoop:
    def test_a_rate_is_held(self, server: floor.Server, tmp_path: Path) -> None:
        result = floor.client(server.address, 10, 64, seconds=1, rate_per_s=2000, records=tmp_path / "records")
        assert (result["requests"], result["errors"], result["unsent"]) == (2000, 0, 0)
        assert result["elapsed_s"] >= 1
        assert result["per_s"] == pytest.approx(2000 / result["elapsed_s"])
        due_ns, sent_ns, _, connection = read(tmp_path / "records")
        assert set(np.diff(np.sort(due_ns))) == {500_000}
        assert list(np.bincount(connection)) == [200] * 10
        assert (sent_ns >= due_ns).all()

    @pytest.mark.parametrize("spin", [False, True])
    def test_a_warm_up_is_left_out(self, server: floor.Server, spin: bool) -> None:
        result = floor.client(server.address, 3, 64, seconds=0.5, rate_per_s=1000, warm_up_s=0.3, spin=spin)
        assert (result["requests"], result["errors"]) == (500, 0)

    def test_a_rate_that_cannot_be_held_shows(self, server: floor.Server) -> None:
        result = floor.client(server.address, 10, 64, seconds=0.1, rate_per_s=5e6, patience_s=0.5)
        assert result["per_s"] < result["rate_per_s"]
        assert result["unsent"] > 0
        assert result["requests"] + result["unsent"] == 500_000
        assert result["response_p99_us"] > 10 * result["p99_us"]

    def test_a_stall_is_charged_to_all_that_were_due(self, tmp_path: Path) -> None:
        with Peer(stall_at=(100, 0.3)) as address:
            floor.client(address, 1, 64, seconds=1, rate_per_s=500, records=tmp_path / "records")
        due_ns, sent_ns, answered_ns, _ = read(tmp_path / "records")
        late, slow = (answered_ns - due_ns > 1e8).sum(), (answered_ns - sent_ns > 1e8).sum()
        assert len(due_ns) == 500
        assert late >= 99  # due in the first 200 ms of a stall of 300 ms, 2 ms apart
        assert 1 <= slow < late / 10


class Peer:
    """A server of the test's own, for one connection: it may answer wrongly, stall or die."""

    def __init__(
        self,
        respond: Callable[[bytes], bytes] = bytes.upper,
        stall_at: tuple[int, float] = (-1, 0),
        die_at: int = -1,
    ) -> None:
        self.respond, self.stall_at, self.die_at = respond, stall_at, die_at
        self.listening = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> Address:
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        host, port = self.listening.getsockname()
        return host, port

    def serve(self) -> None:
        connection, _ = self.listening.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = 0
            while number != self.die_at and (request := connection.recv(65536)):
                if number == self.stall_at[0]:
                    time.sleep(self.stall_at[1])
                connection.sendall(self.respond(request))
                number += 1

    def __exit__(self, *_: object) -> None:
        self.thread.join()
        self.listening.close()


class TestClientCatches:
    @pytest.mark.parametrize(
        ("respond", "error"),
        [
            (lambda request: request.upper()[:-1] + b"\x00", "not its request in upper case"),
            (lambda request: request, "not its request in upper case"),
            (lambda request: request.upper() + b"!", "more bytes came than were sent"),
            (lambda request: request.upper()[:-1], "no reply within the patience"),
            (lambda request: b"", "no reply within the patience"),
        ],
        ids=["a wrong byte", "lower case", "a byte too many", "a lost byte", "silence"],
    )
    @pytest.mark.parametrize("rate_per_s", [None, 1000])
    def test_a_wrong_reply(self, respond: Callable[[bytes], bytes], error: str, rate_per_s: float | None) -> None:
        with Peer(respond) as address:
            result = floor.client(address, 1, 64, requests=10, rate_per_s=rate_per_s, patience_s=0.3)
        assert (result["requests"], result["errors"], result["p50_us"]) == (0, 1, None)
        assert error in result["error"]

    def test_a_reply_to_the_request_before(self) -> None:
        answers = iter([b"A" * 64])
        with Peer(lambda request: next(answers, request.upper())) as address:
            assert "not its request" in floor.client(address, 1, 64, requests=10)["error"]

    @pytest.mark.parametrize("rate_per_s", [None, 2000])
    def test_a_server_that_dies(self, rate_per_s: float | None) -> None:
        with Peer(die_at=50) as address:
            result = floor.client(address, 1, 64, requests=100, rate_per_s=rate_per_s)
        assert (result["requests"], result["errors"]) == (50, 1)
        assert re.search("closed by the server|reset by peer|Broken pipe", result["error"])

    def test_a_server_that_is_not_there(self) -> None:
        result = floor.client(DEAD, 10, 64, seconds=1)
        assert (result["requests"], result["errors"]) == (0, 1)
        assert result["error"] == "connection 1 of 10: Connection refused"

    def test_its_exit_status_tells(self, server: floor.Server) -> None:
        command = [str(floor.build() / "client"), "{}:{}".format(*server.address), "--requests", "10"]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
        server.close()
        assert subprocess.run(command, check=False, capture_output=True).returncode == 1


class TestBadArguments:
    @pytest.mark.parametrize(
        "given",
        [
            {"connections": 0},
            {"connections": -1},
            {"connections": 2.5},
            {"connections": 1_000_000},
            {"size_bytes": 0},
            {"size_bytes": 1 << 40},
            {"seconds": -1},
            {"seconds": float("nan")},
            {"seconds": float("inf")},
            {"seconds": None},
            {"requests": 0},
            {"rate_per_s": 0},
            {"cpu": 1000},
            {"patience_s": 0},
            {"records": "/nowhere/to/be/found"},
            {"address": ("localhost", 80)},
            {"address": ("127.0.0.1", 0)},
            {"address": ("127.0.0.1", 65536)},
            {"address": ("", 80)},
        ],
        ids=str,
    )
    def test_one_line_says_what_was_expected(self, given: dict[str, object]) -> None:
        usual: dict[str, object] = {"address": ("127.0.0.1", 9), "connections": 1, "size_bytes": 64, "seconds": 1}
        with pytest.raises(UsageError, match=r"^client: expected [^\n]*, not '[^\n]*'$"):
            floor.client(**(usual | given))  # type: ignore[arg-type]
