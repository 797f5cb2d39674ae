"""What no model may be knocked over by: the faults of `iolab.traffic.faults`, one by one and all together."""

import gc
import os
import random
import re
import signal
import socket
import sys
import threading
from contextlib import ExitStack

import numpy as np
import pytest

from iolab.background import ReplyWarning
from iolab.exercises.sandbox import watch
from iolab.listening import listen
from iolab.measurement.memory import resident_bytes, settle
from iolab.servers import pool
from iolab.traffic import faults
from iolab.traffic.process import Client
from iolab.traffic.workload import Workload
from tests.census import descriptors_of_all
from tests.servers.support import MIB, Subject, ends, eventually, inverted, same, unconnected

BLOCK = random.Random(4).randbytes(1 << 16)


def test_a_reset_in_mid_request(subject: Subject) -> None:
    request = subject.framed(b"a request that is cut off")
    with subject.start() as server, subject.bystander(server):
        for length in [*range(1, len(request)), *[len(request)] * 50]:
            faults.reset_midway(server.address, request[:length])


def test_a_reset_before_accept(subject: Subject) -> None:
    listening = listen()
    for length in range(40):
        faults.reset_midway(listening.getsockname(), subject.framed(b"nobody is there yet")[:length])
    with subject.start(listening=listening) as server:
        subject.serves(server)


@pytest.mark.by_kind
def test_a_slow_reader_with_megabytes_owed(subject: Subject) -> None:
    request = subject.framed(BLOCK)
    with subject.start() as server, subject.bystander(server) as goes_on:
        settle()
        before_bytes = resident_bytes()
        with faults.slow_reader(server.address, request, most_bytes=64 * MIB) as reader:
            assert reader.asked_bytes < 64 * MIB  # the server read no more, so the client could send no more
            assert resident_bytes() - before_bytes < 8 * MIB
            goes_on()
            subject.rests()
            replies = subject.unframed(reader.read_again())
        assert same(replies, inverted(BLOCK) * (reader.asked_bytes // len(request)))


def test_one_byte_at_a_time(subject: Subject) -> None:
    request = bytes(range(256))
    with subject.start() as server, subject.bystander(server), subject.peer(server) as peer:
        faults.one_byte_at_a_time(peer.connection, subject.framed(request))
        peer.connection.shutdown(socket.SHUT_WR)
        assert subject.unframed(faults.receive_all(peer.connection, bite_bytes=1)) == inverted(request)


@pytest.mark.by_kind
def test_1000_idle_connections(subject: Subject) -> None:
    subject.needs_many(1000)
    limit = subject.model.descriptors_below
    with subject.start() as server, subject.bystander(server) as goes_on:
        with faults.idle_connections(server.address, limit or 1000):
            goes_on()
            if limit:
                subject.by_nature()
                with subject.peer(server) as peer:  # nobody has a descriptor below the limit to give
                    assert ends(peer.connection) == b""
            else:
                subject.serves(server)
            subject.rests()


def test_descriptors_used_up_and_freed_again(subject: Subject) -> None:
    subject.needs_one_process()
    with subject.start() as server, subject.bystander(server) as goes_on, ExitStack() as stack:
        first, *others = [stack.enter_context(unconnected()) for _ in range(20)]
        if not subject.model.serves_many:
            subject.by_nature()
        if subject.model.name == "pool":  # a thread that comes to its first accept later has no descriptor for it
            assert eventually(lambda: sum(call == "accept" for call in calls()) == pool.THREADS - 1)
        with faults.use_up_descriptors():
            for connection in (first, *others):
                connection.connect(server.address)
            # The first may be served: an accept that waits has taken its descriptor before. A model
            # that serves one at a time needs no other, and serves them all with it.
            for connection in () if subject.model.serves_many else (first, *others):
                connection.shutdown(socket.SHUT_WR)
            if subject.model.name == "pool":  # so has each of its accepts: all 20 are served
                subject.by_nature()
                for connection in others:
                    connection.shutdown(socket.SHUT_WR)
            assert [ends(connection) for connection in others] == [b""] * 19
            goes_on()
            subject.rests()


def calls() -> list[str]:
    """Return what the threads of this process sleep in."""
    return [call.name for call in watch.list_calls(os.getpid()) if call]


@pytest.mark.by_kind
def test_1000_connects_and_closes_leave_no_descriptor(subject: Subject) -> None:
    with subject.start() as server, subject.bystander(server):
        before = descriptors_of_all()
        faults.connect_and_close(server.address, 1000)
        subject.serves(server)
        assert eventually(lambda: descriptors_of_all() == before)


@pytest.mark.certify
def test_10000_connects_and_closes(subject: Subject) -> None:
    with subject.start() as server, subject.bystander(server):
        before, sizes = descriptors_of_all(), []
        for _ in range(10):
            faults.connect_and_close(server.address, 1000)
            subject.serves(server)
            sizes.append(held())
        assert eventually(lambda: descriptors_of_all() == before)
        # What each connection leaves shows in every round. What many need at once shows only
        # in a round that has more of them at once than any before.
        blocks, bytes_ = np.diff(sizes, axis=0).min(axis=0)
        assert blocks < 500
        assert bytes_ < MIB


def held() -> tuple[int, int]:
    """Return how many blocks Python has allocated, and the resident bytes.

    Each sees what the other does not: libraries have memory of their own, and what they
    take where others have left holes is resident already.
    """
    gc.collect()
    settle()
    return sys.getallocatedblocks(), resident_bytes()


@pytest.mark.by_kind
def test_a_signal_storm_on_the_process(subject: Subject) -> None:
    requests = [BLOCK[number:] + BLOCK[:number] for number in range(32)]
    with subject.start() as server:
        for number in (signal.SIGURG, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD, signal.SIGIO):
            with faults.signal_storm(number=number) as storm:
                with subject.peer(server) as peer, peer.sending(requests):
                    assert same(b"".join(peer.rest()), b"".join(map(inverted, requests)))
                for _ in range(10):
                    subject.serves(server)
                sent = storm.sent
                assert eventually(lambda: storm.sent > sent + 50)  # noqa: B023  on a server that waits
                subject.serves(server)


@pytest.mark.by_kind
def test_a_client_stopped_with_sigstop(subject: Subject) -> None:
    blocks = 512  # 32 MiB: of 8 the kernel's buffers have held all at times, and then nothing is owed
    with subject.start() as server, subject.bystander(server) as goes_on:
        with faults.stopped_client(server.address, subject.framed(BLOCK) * blocks) as client:
            goes_on()
            subject.rests()
            assert same(subject.unframed(client.resume()), inverted(BLOCK) * blocks)


ERRORS = [ValueError("a bug"), OSError("no file"), BlockingIOError(11, "not now"), StopIteration(), TimeoutError()]


def raising(request: bytes) -> bytes:
    if request.startswith(b"raise"):
        raise ERRORS[int(request[5:])]
    return inverted(request)


def test_a_reply_that_raises(subject: Subject) -> None:
    with subject.start(raising) as server:
        with subject.bystander(server) as goes_on:
            for number in range(len(ERRORS)):
                with subject.peer(server) as peer:
                    assert peer.ask(b"question") == inverted(b"question")
                    peer.send(b"raise%d" % number)
                    assert ends(peer.connection) == b""
                goes_on()
        with pytest.warns(ReplyWarning, match="respond raised 5 times.*ValueError: a bug, at line"):
            server.stop()
    # What a worker raised comes as its words.
    kinds = [
        re.sub(r"\W.*", "", str(error)) if subject.model.apart else type(error).__name__
        for error in server.reply_errors
    ]
    assert sorted(kinds) == sorted(type(error).__name__ for error in ERRORS)


@pytest.mark.by_kind
def test_a_stop_in_the_midst_of_all_this(subject: Subject) -> None:
    request, moving = subject.framed(BLOCK), threading.Event()
    with ExitStack() as stack, subject.start() as server:
        work = Workload(connections=50, seconds=60, **subject.measured(server, b"question"))
        client = stack.enter_context(Client(server.address, work))
        client.connect()
        load = threading.Thread(target=client.run, args=(lambda tick: moving.set() if tick.requests else None,))
        load.start()
        stack.enter_context(faults.idle_connections(server.address, 100))
        reader = stack.enter_context(faults.slow_reader(server.address, request, least_bytes=0))
        stack.enter_context(faults.stopped_client(server.address, request * 16))
        stack.enter_context(faults.signal_storm())
        cut_off = [stack.enter_context(subject.peer(server)) for _ in range(20)]
        for peer in cut_off:
            peer.connection.sendall(request[:20])
        faults.connect_and_close(server.address, 20)
        faults.reset_together(server.address, 20, request[:100])
        assert moving.wait(20)
        server.stop()
        load.join(20)
        assert not load.is_alive()
        for connection in [reader.connection, *(peer.connection for peer in cut_off)]:
            ends(connection)
