"""What a client may do within the rules of TCP, and a learner within those of Python, that is seldom thought of."""

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from iolab.background import ReplyWarning
from iolab.listening import listen
from iolab.traffic import faults
from tests.census import descriptors, descriptors_of_all
from tests.servers.support import Gate, Subject, ends, eventually, grown, inverted, same

BLOCK = random.Random(7).randbytes(1 << 16)


@pytest.mark.by_kind
def test_a_flood_on_one_connection(subject: Subject) -> None:
    subject.needs_many()
    over, asked = threading.Event(), []

    def flood() -> Iterator[bytes]:
        while not over.is_set():
            asked.append(len(BLOCK))
            yield BLOCK

    with subject.start() as server, subject.bystander(server) as goes_on, subject.peer(server) as peer:
        reader = threading.Thread(target=lambda: asked.append(-sum(map(len, peer.rest()))))
        with peer.sending(flood()):
            reader.start()
            try:
                for _ in range(10):
                    goes_on()
                    subject.serves(server)
            finally:
                over.set()
                reader.join()
    assert sum(asked) == 0


@pytest.mark.by_kind
def test_a_reset_with_megabytes_owed(subject: Subject) -> None:
    with subject.start() as server, subject.bystander(server) as goes_on:
        before = descriptors_of_all()
        with faults.slow_reader(server.address, subject.framed(BLOCK)) as reader:
            goes_on()
            faults.reset(reader.connection)
        assert eventually(lambda: descriptors_of_all() == before)
        subject.rests()


def test_a_reply_in_hundreds_of_partial_sends(subject: Subject) -> None:
    listening = listen()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # which accepted sockets inherit (socket(7))
    with subject.start(grown(16), listening=listening) as server, faults.connect_narrow(server.address) as connection:
        connection.sendall(subject.framed(BLOCK))
        connection.shutdown(socket.SHUT_WR)
        assert same(subject.unframed(faults.receive_all(connection, bite_bytes=1000)), grown(16)(BLOCK))


@pytest.mark.by_kind
def test_200_resets_at_once(subject: Subject) -> None:
    with subject.start() as server, subject.bystander(server):
        before = descriptors_of_all()
        for request in (b"", subject.framed(BLOCK), subject.framed(BLOCK)[:1000]):
            faults.reset_together(server.address, 200, request)
        assert eventually(lambda: descriptors_of_all() == before)


def test_a_close_with_replies_in_flight(subject: Subject) -> None:
    with subject.start() as server, subject.bystander(server):
        before = descriptors_of_all()
        for _ in range(100):
            with faults.connect(server.address) as connection:
                connection.sendall(subject.framed(BLOCK))
        assert eventually(lambda: descriptors_of_all() == before)


def test_events_that_pile_up_while_a_reply_is_computed(subject: Subject, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with subject.start(gate) as server, ExitStack() as stack:
        peers = [stack.enter_context(subject.peer(server))]
        peers[0].send(b"wait")
        gate.wait()
        for number in range(20):  # descriptors are closed and used anew between two waits of the server
            faults.reset_midway(server.address, subject.framed(b"question")[:number])
            faults.connect_and_close(server.address, 1)
            peers.append(stack.enter_context(subject.peer(server)))
            peers[-1].send(b"%4d" % number)
        gate.open()
        for peer, request in zip(peers, [b"wait", *(b"%4d" % number for number in range(20))], strict=True):
            assert peer.receive(4) == inverted(request)
            assert peer.finish() == b""
            peer.connection.close()


@pytest.mark.by_kind
def test_urgent_data(subject: Subject) -> None:
    with subject.start() as server, subject.bystander(server), subject.peer(server) as peer:
        assert peer.ask(b"before") == inverted(b"before")
        faults.urgent_byte(peer.connection)
        assert peer.ask(b"behind") == inverted(b"behind")
        subject.rests()
        assert peer.finish() == b""


WRONG = [None, "text", 7, ["a", "list"]]


def wrong(request: bytes) -> Any:
    return WRONG[int(request[5:])] if request.startswith(b"wrong") else inverted(request)


def test_replies_that_are_not_bytes(subject: Subject) -> None:
    with subject.start(wrong) as server:
        with subject.bystander(server):
            for number in range(len(WRONG)):
                with subject.peer(server) as peer:
                    peer.send(b"wrong%d" % number)
                    assert ends(peer.connection) == b""
        with pytest.warns(ReplyWarning, match="expected bytes"):
            server.stop()
    assert len(server.reply_errors) == len(WRONG)


@pytest.mark.by_kind
def test_a_stop_while_a_reply_is_computed(subject: Subject, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with subject.start(gate) as server, ExitStack() as stack:
        peers = [stack.enter_context(subject.peer(server))]
        peers[0].send(b"wait")
        gate.wait()
        for _ in range(20):  # in the backlog, most of them
            peers.append(stack.enter_context(subject.peer(server)))
        threading.Timer(0.1, gate.open).start()
        server.stop()
        for peer in peers:
            ends(peer.connection)


def test_connections_that_come_while_the_server_stops(subject: Subject) -> None:
    waited: list[TimeoutError] = []

    def keep_coming(address: faults.Address) -> None:
        try:
            while True:
                with faults.connect(address) as connection:
                    connection.sendall(subject.framed(b"question"))
                    ends(connection) if stopping.is_set() else connection.recv(1)
        except TimeoutError as error:
            waited.append(error)
        except OSError:  # refused, at last: nobody listens any more
            pass

    for _ in range(5):
        stopping = threading.Event()
        with subject.start() as server:
            clients = [threading.Thread(target=keep_coming, args=(server.address,)) for _ in range(4)]
            for client in clients:
                client.start()
            subject.serves(server)
            stopping.set()
        for client in clients:
            client.join()
    assert waited == []


@pytest.mark.by_kind
def test_connections_that_a_fork_still_holds(subject: Subject) -> None:
    subject.needs_many()
    subject.needs_one_process()

    def respond(request: bytes) -> bytes:
        if request == b"raise":
            raise ValueError("a bug")
        return inverted(request)

    with subject.start(respond) as server, ExitStack() as stack:
        goes_on = stack.enter_context(subject.bystander(server))
        closed, reset, failed = [stack.enter_context(subject.peer(server)) for _ in range(3)]
        for peer in (closed, reset, failed):
            subject.converses(peer)
            stack.enter_context(copy_of_the_other_end(peer.connection))
        # While there is a copy, closing a descriptor ends neither the connection nor an
        # interest in it (epoll(7), question 6); starting a process makes copies for a moment.
        closed.connection.close()
        faults.reset(reset.connection)
        failed.send(b"raise")
        assert eventually(lambda: bool(server.reply_errors))
        failed.send(b"is anybody there?")
        goes_on()
        subject.rests()
        stack.close()
        with pytest.warns(ReplyWarning):
            server.stop()


@contextmanager
def copy_of_the_other_end(connection: socket.socket) -> Iterator[None]:
    """Hold a copy of this process's descriptor for the other end of a connection, as a fork would."""
    there, here = connection.getpeername(), connection.getsockname()
    (number,) = [number for number in descriptors() if ends_of(number) == (there, here)]
    copy = os.dup(number)
    try:
        yield
    finally:
        os.close(copy)


def ends_of(descriptor: int) -> tuple[object, object] | None:
    """Return the two addresses of a connection, or None for any other descriptor."""
    if not descriptors()[descriptor].startswith("socket:"):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        try:
            return copy.getsockname(), copy.getpeername()
        except OSError:  # it listens
            return None
