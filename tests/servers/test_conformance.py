"""What every model does for clients that behave."""

import asyncio
import hashlib
import random
import socket
import time

import numpy as np
import pytest

from iolab.listening import RECEIVE_BYTES
from iolab.traffic.process import load
from iolab.traffic.workload import Workload
from tests.servers.support import MIB, Subject, grown, inverted, same

EDGES = [edge + off for edge in (RECEIVE_BYTES, 2 * RECEIVE_BYTES, MIB) for off in (-1, 0, 1)]
"""Sizes at which a receive is just filled, or just not."""


def test_echo_of_one_message(subject: Subject) -> None:
    with subject.start() as server, subject.peer(server) as peer:
        assert peer.ask(b"one message") == inverted(b"one message")
        assert peer.finish() == b""


def test_echo_of_many_messages(subject: Subject) -> None:
    draw = random.Random(1)
    with subject.start() as server, subject.peer(server) as peer:
        for size_bytes in [*EDGES, *(draw.randrange(1, 5000) for _ in range(200))]:
            request = draw.randbytes(size_bytes)
            assert same(peer.ask(request), inverted(request))
        assert peer.finish() == b""


def test_requests_that_come_in_two_parts(subject: Subject) -> None:
    request = b"a request in two parts"
    wired = subject.framed(request)
    with subject.start() as server, subject.peer(server) as peer:
        for border in range(1, len(wired)):
            peer.connection.sendall(wired[:border])
            time.sleep(0.001)  # so that the parts usually arrive apart
            peer.connection.sendall(wired[border:])
            assert peer.receive(len(request)) == inverted(request)
        assert peer.finish() == b""


def test_requests_that_come_in_one_segment(subject: Subject) -> None:
    requests = [b"request %d, " % number for number in range(50)]
    with subject.start() as server, subject.peer(server) as peer:
        for _ in range(10):
            peer.send(*requests)
            assert peer.receive(len(b"".join(requests))) == inverted(b"".join(requests))
        assert peer.finish() == b""


def test_binary_data(subject: Subject) -> None:
    every_pair = bytes(byte for first in range(256) for second in range(256) for byte in (first, second))
    cut_characters = ["äöü€😀".encode()[:length] for length in range(1, 14)]
    with subject.start() as server, subject.peer(server) as peer:
        for request in [b"\0", b"\xff", b"\r\n\r\n", b"\n", every_pair, *cut_characters]:
            assert same(peer.ask(request), inverted(request))
        assert peer.finish() == b""


@pytest.mark.by_kind
def test_64_mib_through_one_connection(subject: Subject) -> None:
    block = random.Random(2).randbytes(MIB)
    requests = [block[number:] + block[:number] for number in range(64)]  # a block lost, doubled or moved shows
    came, due = hashlib.sha256(), hashlib.sha256()
    with subject.start() as server, subject.peer(server) as peer:
        with peer.sending(requests):
            for reply in peer.rest():
                came.update(reply)
    for request in requests:
        due.update(inverted(request))
    assert came.digest() == due.digest()


@pytest.mark.by_kind
def test_500_connections_at_once(subject: Subject) -> None:
    subject.needs_many(500)
    with subject.start() as server:
        work = Workload(connections=500, requests=2000, **subject.measured(server, b"question"))
        records = load(server.address, work)
    assert (len(records), records.errors) == (2000, {})


def test_50_busy_connections_all_get_turns(subject: Subject) -> None:
    subject.needs_many()
    with subject.start() as server:
        work = Workload(connections=50, requests=500, **subject.measured(server, b"question"))
        records = load(server.address, work)
    assert records.errors == {}
    assert np.bincount(records.connection, minlength=50).tolist() == [10] * 50


@pytest.mark.certify
def test_50_busy_connections_get_like_turns(subject: Subject) -> None:
    subject.needs_many()
    with subject.start() as server:
        work = Workload(connections=50, seconds=0.5, **subject.measured(server, b"question"))
        records = load(server.address, work)
    turns = np.bincount(records.connection, minlength=50)
    assert records.errors == {}
    assert turns.min() * 5 > turns.mean()


@pytest.mark.by_kind
def test_a_half_close_with_replies_still_owed(subject: Subject) -> None:
    request = random.Random(3).randbytes(1 << 16)
    with subject.start(grown(128)) as server, subject.peer(server) as peer:
        peer.send(request, request)
        peer.connection.shutdown(socket.SHUT_WR)  # it is readable from now on, and nothing may be read of it
        subject.rests()
        assert same(b"".join(peer.rest()), grown(128)(request) * 2)


def test_a_half_close_before_the_first_request(subject: Subject) -> None:
    with subject.start() as server:
        with subject.peer(server) as peer:
            assert peer.finish() == b""
        subject.serves(server)


def test_a_second_client_while_the_first_is_silent(subject: Subject) -> None:
    with subject.start() as server, subject.peer(server) as first:
        assert first.ask(b"first") == inverted(b"first")
        with subject.peer(server) as second:
            second.send(b"second")
            if not subject.model.serves_many:  # it is answered, but not before the first leaves
                subject.by_nature()
                second.connection.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    second.receive(6)
                second.connection.settimeout(30)
                assert first.finish() == b""
            assert second.receive(6) == inverted(b"second")


def test_two_servers_at_once(subject: Subject) -> None:
    with subject.start() as lasting:
        with subject.start(bytes.upper) as other, subject.peer(other) as peer:
            subject.serves(lasting)
            assert peer.ask(b"question") == b"QUESTION"
        subject.serves(lasting)


def test_over_ip_version_6(subject: Subject) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with subject.start(host="::1") as server:
        subject.serves(server)


def test_beside_a_running_asyncio_loop(subject: Subject) -> None:
    async def cell() -> None:  # as in a notebook, whose kernel runs one in the main thread
        with subject.start() as server:
            subject.serves(server)

    asyncio.run(cell())


@pytest.mark.by_kind
def test_a_reply_a_thousand_times_the_request(subject: Subject) -> None:
    request = random.Random(6).randbytes(20_000)
    with subject.start(grown(1000)) as server, subject.peer(server) as peer, peer.sending([request]):
        assert same(b"".join(peer.rest()), grown(1000)(request))


def without_question_marks(request: bytes) -> bytes:
    return request.replace(b"?", b"")


def test_an_empty_reply(subject: Subject) -> None:
    with subject.start(without_question_marks) as server, subject.peer(server) as peer:
        for _ in range(20):
            peer.send(b"?", b"???", b"a word?")
            assert peer.receive(6) == b"a word"
        assert peer.finish() == b""


def test_an_idle_server_rests(subject: Subject) -> None:
    with subject.start() as server, subject.peer(server) as peer:
        assert peer.ask(b"question") == inverted(b"question")
        subject.rests()


def test_twenty_starts_and_stops(subject: Subject) -> None:
    for number in range(20):
        with subject.start() as server:
            if number % 2:
                subject.serves(server)
        server.stop()  # a second time does nothing
