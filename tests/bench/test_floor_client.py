"""The C floor's client: it counts every request once, keeps its schedule, and tells right from wrong."""

import re
import threading
from collections.abc import Callable

import numpy as np
import pytest

from bench import floor
from tests.peers import DEAD, Peer, replying

MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("built")


class TestClosedLoop:
    @pytest.mark.parametrize(("connections", "size_bytes"), [(1, 1), (10, 64), (100, 64), (3, 3 * MIB)])
    def test_every_request_is_counted_once(self, server: floor.Server, connections: int, size_bytes: int) -> None:
        count = 1000 if size_bytes < MIB else 10
        result = floor.client(server.address[1], connections, size_bytes, requests=count)
        assert (len(result.sent_ns), result.errors, result.error) == (count, 0, "")
        assert set(result.connection) <= set(range(connections))
        assert (result.due_ns == result.sent_ns).all()
        assert (result.answered_ns > result.sent_ns).all()

    def test_one_request_is_under_way_per_connection(self, server: floor.Server) -> None:
        result = floor.client(server.address[1], 7, 64, requests=2000)
        for number in range(7):
            own = result.connection == number
            assert (result.sent_ns[own][1:] >= result.answered_ns[own][:-1]).all()

    def test_a_warm_up_is_left_out(self, server: floor.Server) -> None:
        result = floor.client(server.address[1], 10, 64, requests=500, warm_up_s=0.2)
        assert (len(result.sent_ns), result.errors) == (500, 0)

    def test_fewer_requests_than_connections(self, server: floor.Server) -> None:
        assert len(floor.client(server.address[1], 10, 64, requests=3).sent_ns) == 3


class TestOpenLoop:
    @pytest.mark.certify
    def test_a_rate_is_held(self, server: floor.Server) -> None:
        result = floor.client(server.address[1], 10, 64, seconds=1, rate_per_s=2000)
        assert (len(result.sent_ns), result.errors, result.unsent) == (2000, 0, 0)
        assert set(np.diff(np.sort(result.due_ns))) == {500_000}
        assert list(np.bincount(result.connection)) == [200] * 10
        assert (result.sent_ns >= result.due_ns).all()

    @pytest.mark.parametrize("spin", [False, True])
    def test_a_warm_up_is_left_out(self, server: floor.Server, spin: bool) -> None:
        result = floor.client(server.address[1], 3, 64, seconds=0.5, rate_per_s=1000, warm_up_s=0.3, spin=spin)
        assert (len(result.sent_ns), result.errors) == (500, 0)

    def test_a_rate_that_cannot_be_held_shows(self, server: floor.Server) -> None:
        result = floor.client(server.address[1], 10, 64, seconds=0.1, rate_per_s=5e6, patience_s=0.5)
        assert result.unsent > 0
        assert len(result.sent_ns) + result.unsent == 500_000

    @pytest.mark.certify
    def test_a_stall_is_charged_to_all_that_were_due(self) -> None:
        never = threading.Event()

        def stall(request: bytes, _: int, turn: int) -> bytes:
            if turn == 100:
                never.wait(0.3)
            return request.upper()

        with Peer(replying(stall)) as peer:
            result = floor.client(peer.address[1], 1, 64, seconds=1, rate_per_s=500)
        assert len(result.due_ns) == 500
        assert result.answered_ns[100] - result.sent_ns[100] > 290_000_000
        late = result.answered_ns - result.due_ns > 100_000_000
        assert late.sum() >= 99  # due in the first 200 ms of a stall of 300 ms, 2 ms apart


def answer(respond: Callable[[bytes], bytes]) -> Peer:
    return Peer(replying(lambda request, number, turn: respond(request)))


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
    @pytest.mark.parametrize("rate_per_s", [0, 1000])
    def test_a_wrong_reply(self, respond: Callable[[bytes], bytes], error: str, rate_per_s: float) -> None:
        with answer(respond) as peer:
            result = floor.client(peer.address[1], 1, 64, requests=10, rate_per_s=rate_per_s, patience_s=0.3)
        assert (len(result.sent_ns), result.errors) == (0, 1)
        assert error in result.error

    def test_a_reply_to_the_request_before(self) -> None:
        answers = iter([b"A" * 64])
        with answer(lambda request: next(answers, request.upper())) as peer:
            assert "not its request" in floor.client(peer.address[1], 1, 64, requests=10).error

    @pytest.mark.parametrize("rate_per_s", [0, 2000])
    def test_a_server_that_dies(self, rate_per_s: float) -> None:
        def die(request: bytes, _: int, turn: int) -> bytes:
            if turn == 50:
                raise OSError
            return request.upper()

        with Peer(replying(die)) as peer:
            result = floor.client(peer.address[1], 1, 64, requests=100, rate_per_s=rate_per_s)
        assert (len(result.sent_ns), result.errors) == (50, 1)
        assert re.search("closed by the server|reset by peer|Broken pipe", result.error)

    def test_a_server_that_is_not_there(self) -> None:
        result = floor.client(DEAD[1], 10, 64, seconds=1)
        assert (len(result.sent_ns), result.errors) == (0, 1)
        assert result.error == "connection 1 of 10: Connection refused"
