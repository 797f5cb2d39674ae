"""The load client against servers that are wrong, slow, dead or gone: it counts what went wrong, and ends."""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from iolab.api import start
from iolab.errors import LoadFailed, UsageError
from iolab.kernel import descriptors
from iolab.traffic.client.requests import request_pairs
from iolab.traffic.process import Client, load
from iolab.traffic.records import Records
from iolab.traffic.workload import Work, Workload
from tests.peers import DEAD, Address, Converse, Peer, connect, replying, reset, silent, upper

pytestmark = pytest.mark.usefixtures("nothing_left")

MIB = 1 << 20


def drive(address: Address, **work: Any) -> Records:
    return load(address, Workload(**({"patience_s": 0.3} | work)))


def at_turn(wrong_turn: int, wrong: Callable[[bytes], bytes]) -> Converse:
    """Return a server whose reply at that turn of each connection is wrong."""
    return replying(lambda request, number, turn: wrong(request) if turn == wrong_turn else request.upper())


def flipped(request: bytes) -> bytes:
    return request.upper()[:-1] + bytes([request.upper()[-1] ^ 1])


class TestWrongReplies:
    @pytest.mark.parametrize(
        ("wrong", "kind", "says"),
        [
            (flipped, "wrong reply", r"byte 63 should be b'[A-Z]'"),
            (lambda request: request, "wrong reply", r"byte 0 should be b'[A-Z]{8}'\.\.\., but is b'[a-z]{8}'"),
            (lambda request: request.upper() + b"!", "wrong reply", "expected 64 bytes, received 65"),
            (lambda request: request.upper() * 2, "wrong reply", "expected 64 bytes, received 65"),
            (lambda request: request.upper()[1:] + b"!", "wrong reply", "byte 0 should be"),
            (lambda request: request.upper()[:-1], "no reply", r"no reply in 0\.3 s"),
            (lambda request: b"", "no reply", r"no reply in 0\.3 s"),
        ],
        ids=["a wrong byte", "lower case", "a byte more", "twice", "the first byte lost", "the last lost", "silence"],
    )
    @pytest.mark.parametrize("rate_per_s", [None, 500])
    def test_one_ends_its_connection_is_counted_and_named(
        self, wrong: Callable[[bytes], bytes], kind: str, says: str, rate_per_s: float | None
    ) -> None:
        with Peer(at_turn(3, wrong)) as peer:
            records = drive(peer.address, connections=2, requests=20, rate_per_s=rate_per_s)
        assert (len(records), records.errors) == (6, {kind: 2})
        assert list(records.examples) == [kind]
        assert re.search(says, records.examples[kind])

    def test_the_message_names_connection_and_request(self) -> None:
        with Peer(at_turn(3, flipped)) as peer:
            records = drive(peer.address, connections=1, requests=20)
        assert records.examples["wrong reply"].startswith("connection 0, request 3: ")

    def test_the_other_connections_go_on(self) -> None:
        wrong_on_one = replying(lambda request, number, turn: request if number == 1 else request.upper())
        with Peer(wrong_on_one) as peer:
            records = drive(peer.address, connections=3, requests=30)
        assert (len(records), records.errors) == (20, {"wrong reply": 1})
        assert set(records.connection.tolist()) == {0, 2}

    def test_a_reply_to_the_request_before_is_seen(self) -> None:
        last: list[bytes] = []

        def late(request: bytes, number: int, turn: int) -> bytes:
            last.append(request.upper())
            return last[max(0, turn - 1)]

        with Peer(replying(late)) as peer:
            records = drive(peer.address, connections=1, requests=5)
        assert (len(records), records.errors) == (1, {"wrong reply": 1})

    @pytest.mark.parametrize("size_bytes", [1, 2, 64, 5 * MIB])
    def test_replies_that_are_swapped_between_connections_are_seen(self, size_bytes: int) -> None:
        replies, both = {}, threading.Barrier(2)

        def swap(connection: socket.socket, number: int) -> None:
            replies[number] = receive(connection, size_bytes).upper()
            both.wait(10)
            connection.sendall(replies[1 - number])
            while connection.recv(MIB):
                pass

        with Peer(swap) as peer:
            records = drive(peer.address, connections=2, requests=2, size_bytes=size_bytes, patience_s=2)
        assert (len(records), records.errors) == (0, {"wrong reply": 2})

    def test_the_last_byte_of_8_mib_counts(self) -> None:
        def converse(connection: socket.socket, number: int) -> None:
            connection.sendall(flipped(receive(connection, 8 * MIB)))
            connection.recv(1)

        with Peer(converse) as peer:
            records = drive(peer.address, connections=1, requests=1, size_bytes=8 * MIB)
        assert (len(records), records.errors) == (0, {"wrong reply": 1})
        assert f"byte {8 * MIB - 1} should be" in records.examples["wrong reply"]

    @pytest.mark.parametrize("rate_per_s", [None, 100])
    def test_bytes_that_nobody_asked_for_are_seen(self, rate_per_s: float | None) -> None:
        def greet(connection: socket.socket, number: int) -> None:
            connection.sendall(b"220 welcome\r\n")
            upper(connection, number)

        with Peer(greet) as peer:
            records = drive(peer.address, connections=1, requests=3, rate_per_s=rate_per_s, ramp_s=0.1)
        assert (len(records), records.errors) == (0, {"wrong reply": 1})

    def test_a_reply_of_the_wrong_length_to_a_request_of_your_own(self) -> None:
        with Peer(replying(lambda request, number, turn: b"four")) as peer:
            records = drive(peer.address, connections=1, requests=3, request=b"GET", reply_bytes=3)
        assert (len(records), records.errors) == (0, {"wrong reply": 1})


def receive(connection: socket.socket, size_bytes: int) -> bytes:
    chunks, missing = [], size_bytes
    while missing and (chunk := connection.recv(min(missing, MIB))):
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


def close_half_way(connection: socket.socket, number: int) -> None:
    connection.sendall(connection.recv(64).upper()[:32])


def close_before_the_reply(connection: socket.socket, number: int) -> None:
    connection.recv(64)


def reset_half_way(connection: socket.socket, number: int) -> None:
    connection.recv(32)
    reset(connection)


class TestConnectionsThatEnd:
    @pytest.mark.parametrize(
        ("converse", "kind"),
        [(close_half_way, "closed"), (close_before_the_reply, "closed"), (reset_half_way, "reset")],
    )
    def test_they_are_counted_by_how_they_ended(self, converse: Converse, kind: str) -> None:
        with Peer(converse) as peer:
            records = drive(peer.address, connections=3, requests=30)
        assert (len(records), records.errors) == (0, {kind: 3})

    @pytest.mark.parametrize("rate_per_s", [None, 1000])
    @pytest.mark.parametrize("size_bytes", [64, MIB])
    def test_a_server_that_dies_in_mid_run_leaves_what_came_before(
        self, rate_per_s: float | None, size_bytes: int
    ) -> None:
        records = self.of_one_that_dies(rate_per_s, size_bytes)
        assert len(records) >= 20
        assert sum(records.errors.values()) == 4
        assert set(records.errors) <= {"closed", "reset", "wrong reply"}

    @pytest.mark.certify
    @pytest.mark.parametrize("rate_per_s", [None, 1000])
    def test_a_server_that_dies_ends_the_run_soon(self, rate_per_s: float | None) -> None:
        records = self.of_one_that_dies(rate_per_s, MIB)
        assert records.end_ns - records.start_ns < 20e9

    def of_one_that_dies(self, rate_per_s: float | None, size_bytes: int) -> Records:
        deaths: list[threading.Thread] = []

        def answer(connection: socket.socket, number: int) -> None:
            for turn in range(1000):
                connection.sendall(receive(connection, size_bytes).upper())
                if (number, turn) == (0, 20):
                    deaths.append(threading.Thread(target=peer.die))
                    deaths[0].start()

        with Peer(answer) as peer:
            records = drive(peer.address, connections=4, seconds=30, rate_per_s=rate_per_s, size_bytes=size_bytes)
            deaths[0].join()
        return records

    def test_a_server_of_ours_that_is_stopped_in_mid_run(self) -> None:
        with start("threads") as server:
            with Client(server.address, Workload(connections=5, seconds=30)) as client:
                client.connect()
                records = client.run(lambda tick: server.stop())
        assert len(records) > 0
        assert sum(records.errors.values()) == 5


class TestSilence:
    def test_a_silent_server_ends_the_run_within_its_patience(self) -> None:
        with Peer(silent) as peer:
            records = drive(peer.address, connections=5, seconds=0.1)
        assert (len(records), records.errors) == (0, {"no reply": 5})
        assert records.end_ns - records.start_ns >= 0.3e9

    def test_one_silent_connection_of_many_is_counted(self) -> None:
        with Peer(replying(lambda request, number, turn: b"" if number == 2 else request.upper())) as peer:
            records = drive(peer.address, connections=4, requests=40)
        assert (len(records), records.errors) == (30, {"no reply": 1})

    def test_a_reply_that_takes_long_but_moves_is_no_silence(self) -> None:
        pause = threading.Event()

        def trickle(connection: socket.socket, number: int) -> None:
            for byte in connection.recv(64).upper():
                pause.wait(0.01)
                connection.sendall(bytes([byte]))

        with Peer(trickle) as peer:
            records = drive(peer.address, connections=1, requests=1)
        assert (len(records), records.errors) == (1, {})
        assert records.service_ns[0] > 0.3e9

    def test_a_server_that_reads_nothing_of_a_large_request(self) -> None:
        stop = threading.Event()

        def read_nothing(connection: socket.socket, number: int) -> None:
            stop.wait(20)

        with Peer(read_nothing) as peer:
            records = drive(peer.address, connections=2, requests=2, size_bytes=16 * MIB)
            stop.set()
        assert (len(records), records.errors) == (0, {"no reply": 2})


class TestNoServer:
    def test_a_dead_one_is_named_with_a_question(self) -> None:
        host, port = DEAD
        says = rf"^connection 1 of 5 to {host}:{port} failed: .*Connection refused; is a server listening there\?$"
        with pytest.raises(LoadFailed, match=says):
            drive((host, port), connections=5)

    def test_one_that_takes_some_connections_only(self) -> None:
        with start("epoll") as server:
            with Peer(upper) as peer:
                pass
        for address in (server.address, peer.address):
            with pytest.raises(LoadFailed, match="connection 1 of 2"):
                drive(address, connections=2)

    def test_one_with_a_full_backlog_is_given_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
            with connect(listening.getsockname()), pytest.raises(LoadFailed, match=r"connection 1 of 1 .* timed out"):
                drive(listening.getsockname(), connections=1, patience_s=0.2)


class TestWorkload:
    @pytest.mark.parametrize(
        ("work", "says"),
        [
            ({"connections": 0}, "connections to be a whole number of 1 or more, not 0"),
            ({"idle": -1}, "idle to be a whole number of 0 or more, not -1"),
            ({"seconds": 0}, "not 0"),
            ({"seconds": -1.5}, r"seconds to be a finite number above 0, at most 3,600, not -1\.5"),
            ({"seconds": float("nan")}, "not nan"),
            ({"seconds": float("inf")}, "not inf"),
            ({"seconds": 1e9}, "at most 3,600, not 1000000000"),
            ({"requests": 0}, "requests to be a whole number of 1 or more, not 0"),
            ({"requests": 9}, "at least one request for each of 10 connections, not 9 in all"),
            ({"size_bytes": 0}, "whole number of 1 or more, at most 1,073,741,824, not 0"),
            ({"size_bytes": 1 << 40}, "at most 1,073,741,824, not 1099511627776"),
            ({"rate_per_s": 0}, "not 0"),
            ({"rate_per_s": 100, "think_s": 0.1}, "give one of the two"),
            ({"think_s": -0.1}, "think"),
            ({"ramp_s": float("nan")}, "ramp.*not nan"),
            ({"warm_up_s": float("inf")}, "warm.*not inf"),
            ({"patience_s": 0}, "patience"),
            ({"spacing": "odd"}, "even or poisson, not 'odd'"),
            ({"expect": "lower"}, "expect to be upper, echo, any or the bytes of the reply, not 'lower'"),
            ({"expect": b""}, "expect to be"),
            ({"expect": ["echo"]}, "expect to be"),
            ({"http": "index.html"}, "a path that begins with /, not 'index.html'"),
            ({"http": True}, "a path that begins with /, not True"),
            ({"http": "/", "reply_bytes": 3}, "give that, or expect, or http"),
            ({"expect": "echo", "reply_bytes": 3}, "give that, or expect, or http"),
            ({"http": "/", "expect": "echo"}, "a server of HTTP does not echo"),
            ({"request": b"", "reply_bytes": 1}, "at least 1 byte"),
            ({"request": b"GET", "reply_bytes": 0}, "reply_bytes.*1 or more, not 0"),
            ({"connections": 2.5}, r"whole number.*not 2\.5"),
            ({"connections": "10"}, "whole number.*not '10'"),
            ({"size_bytes": 1e3}, r"whole number.*not 1000\.0"),
            ({"idle": 0.5}, r"whole number.*not 0\.5"),
            ({"connections": True}, "whole number.*not True"),
            ({"connections": None}, "whole number.*not None"),
            ({"seconds": "1"}, "number.*not '1'"),
        ],
        ids=str,
    )
    def test_what_cannot_work_is_named_with_what_would(self, work: dict[str, Any], says: str) -> None:
        with pytest.raises(UsageError, match=says):
            Workload(**work)

    @pytest.mark.parametrize("work", [{"connections": 121}, {"connections": 1, "idle": 120}])
    def test_more_than_this_machine_holds_makes_sense_and_says_why_not(
        self, work: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(descriptors, "room", lambda: 120)
        too_many = Workload(**work)
        reason = r"121 connections are too many here: .* descriptors for 120 .*ulimit -Hn"
        assert re.match(reason, str(too_many.why_not()))
        with pytest.raises(UsageError, match="121 connections are too many"):
            too_many.require()
        assert Workload(connections=120).why_not() is None

    @pytest.mark.parametrize(
        "work",
        [
            Workload(),
            Workload(requests=50, request=b"GET", reply_bytes=3, spin=True),
            Workload(expect=b"\xff", http="/", spin=True),
            Workload(expect="echo"),
        ],
    )
    def test_a_message_says_all_of_it(self, work: Workload) -> None:
        message = work.message()
        assert Workload.of(message) == work
        del message["spin"]  # of a run that is older than the option
        assert Workload.of(message) == replace(work, spin=False)
        with pytest.raises(TypeError, match="nonsense"):
            Workload.of({"nonsense": 1})

    def test_an_editor_completes_all_of_it(self) -> None:
        assert get_type_hints(Work) == {
            name: hint for name, hint in get_type_hints(Workload).items() if name in Workload.__dataclass_fields__
        }

    def test_without_an_end_it_lasts_a_second(self) -> None:
        assert (Workload().seconds, Workload(requests=10).seconds) == (1.0, None)

    @pytest.mark.parametrize("size_bytes", [1, 2, 3, 64, 1000, MIB, 8 * MIB])
    def test_neighbours_in_time_and_on_other_connections_differ(self, size_bytes: int) -> None:
        pairs = request_pairs(Workload(size_bytes=size_bytes).message())
        requests = [request for request, _, _ in pairs]
        assert [reply for _, reply, _ in pairs] == [request.upper() for request in requests]
        assert all(len(request) == size_bytes for request in requests)
        for request, following in zip(requests, requests[1:] + requests[:1], strict=True):
            assert request != following
        assert requests[0] != requests[7 % len(requests)]
