"""Signals, one by one, and a queue that has no room for them."""

import resource
import signal
import socket
from collections.abc import Iterator

import pytest

from iolab.course import sigio as module
from iolab.course.sigio import hear, segments, taps, tcp_pair
from iolab.display.tables import Table
from iolab.kernel import signals
from iolab.traffic.faults import few_signals

needs_signals = pytest.mark.skipif(signals.why_not() is not None, reason=str(signals.why_not()))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, peer = socket.socketpair()
    with ours, peer:
        yield ours, peer


def ten_sends(peer: socket.socket) -> None:
    for _ in range(10):
        peer.send(b"x")


def of(table: Table, column: str) -> list[object]:
    return [row[column] for row in table]


@needs_signals
class TestTaps:
    def test_every_arrival_is_a_row_with_its_descriptor(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, peer = pair
        row = {"signal": "SIGRTMIN", "descriptor": ours.fileno(), "event": "POLL_IN"}
        assert list(taps(lambda: ten_sends(peer), ours)) == [row] * 10

    def test_what_was_there_before_raises_none(self, pair: tuple[socket.socket, socket.socket]) -> None:
        pair[1].send(b"x")
        assert taps(lambda: None, pair[0]) == []

    def test_the_end_of_a_peer_is_a_hang_up(self, pair: tuple[socket.socket, socket.socket]) -> None:
        assert of(taps(pair[1].close, pair[0]), "event") == ["POLL_HUP"]

    def test_afterwards_the_socket_raises_none_and_the_mask_is_as_before(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        taps(lambda: None, pair[0])
        pair[1].send(b"one more would end this process")
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
        assert not signal.sigpending() & signals.SIGNALS


def test_segments_of_a_connection_are_counted() -> None:
    ours, peer = tcp_pair()
    with ours, peer:
        for _ in range(2):
            peer.send(b"x")
            ours.recv(1)
        assert segments(ours) == 2 and segments(peer) == 0


@needs_signals
def test_a_signal_of_an_end_looks_like_data_and_epoll_can_tell() -> None:
    assert hear(lambda peer: peer.send(b"x")) == {"its signals": "POLL_IN", "epoll": "EPOLLIN"}
    assert hear(socket.socket.close) == {"its signals": "POLL_IN POLL_IN", "epoll": "EPOLLIN EPOLLRDHUP"}


@needs_signals
class TestFewSignals:
    def test_a_full_queue_loses_signals_and_sends_one_sigio(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with few_signals(4):
            table = taps(lambda: ten_sends(pair[1]), pair[0])
        assert of(table, "signal")[0] == "SIGIO"
        assert of(table, "signal").count("SIGRTMIN") <= 4
        assert of(table, "descriptor")[0] is None

    def test_the_limit_is_taken_back(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_SIGPENDING)
        with few_signals(4):
            assert resource.getrlimit(resource.RLIMIT_SIGPENDING) == (4, before[1])
        assert resource.getrlimit(resource.RLIMIT_SIGPENDING) == before


def test_without_signals_the_caption_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "why_not", lambda: "no such signals")
    assert "no such signals" in taps(lambda: None)._repr_html_()
