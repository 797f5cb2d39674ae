"""A ring: what stays in force, what is silent, and what a short send says."""

import errno
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from iolab.errors import UsageError
from iolab.kernel import uring
from iolab.kernel.ring import MORE, MULTISHOT, RECEIVE, SEND, SYNC, Ring
from tests.kernel.conftest import Pair

pytestmark = pytest.mark.skipif(uring.why_not() is not None, reason=str(uring.why_not()))

BIG = bytes(range(256)) * 40_000


def read_all(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        data += connection.recv(1 << 20)
    return bytes(data)


class TestReceive:
    def test_a_standing_receive_brings_each_arrival(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ring.receive(ours.fileno(), MULTISHOT)
            for data in (b"one", b"two"):
                ring.submit()
                peer.sendall(data)
                assert ring.wait() == [(RECEIVE, ours.fileno(), 3, MORE, data)]
            peer.shutdown(socket.SHUT_WR)
            assert ring.wait() == [(RECEIVE, ours.fileno(), 0, 0, b"")]

    def test_every_buffer_comes_back(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(16, buffers=4) as ring:
            ring.receive(ours.fileno(), MULTISHOT)
            for number in range(200):
                data = b"%d" % number
                peer.sendall(data)
                assert ring.submit_and_wait() == [(RECEIVE, ours.fileno(), len(data), MORE, data)]

    def test_more_than_there_are_buffers_loses_nothing(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(16, buffers=2) as ring:
            peer.sendall(BIG[:160])
            ring.receive(ours.fileno(), MULTISHOT)
            got, ends = b"", list[int]()
            while len(got) < 160:
                for _, descriptor, result, more, data in ring.submit_and_wait():
                    got += data
                    if not more:
                        ends.append(result)
                        ring.receive(descriptor, MULTISHOT)
            assert got == BIG[:160] and set(ends) == {-errno.ENOBUFS}

    def test_one_that_is_stopped_says_so(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ring.receive(ours.fileno(), MULTISHOT)
            ring.submit()
            ring.stop_receiving(ours.fileno())
            assert ring.submit_and_wait() == [(RECEIVE, ours.fileno(), -errno.ECANCELED, 0, b"")]
            ring.stop_receiving(ours.fileno())  # there is none any more, and nobody asked to hear of it
            ring.receive(ours.fileno())
            peer.sendall(b"next")
            assert ring.submit_and_wait() == [(RECEIVE, ours.fileno(), 4, 0, b"next")]


class TestSend:
    def test_silence_is_success(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ring.receive(ours.fileno())
            ring.send_silently(ours.fileno(), b"quiet")
            ring.submit()
            assert peer.recv(100) == b"quiet" and not ring.is_sending(ours.fileno())
            peer.sendall(b"answer")
            assert [operation for operation, *_ in ring.wait()] == [RECEIVE]

    def test_a_short_one_says_how_much_and_sends_the_rest(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ring.send_silently(ours.fileno(), BIG)
            ((operation, descriptor, sent, more, _),) = ring.submit_and_wait()
            assert (operation, descriptor, more) == (SEND, ours.fileno(), MORE) and 0 < sent < len(BIG)
            assert ring.is_sending(ours.fileno())
            with ThreadPoolExecutor(1) as reader:  # the rest goes on whenever this thread waits
                data = reader.submit(read_all, peer, len(BIG))
                assert ring.submit_and_wait() == [(SEND, ours.fileno(), len(BIG) - sent, 0, b"")]
                assert data.result() == BIG
            assert not ring.is_sending(ours.fileno())

    def test_where_there_is_no_room_at_all_it_sends_everything_later(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ours.setblocking(False)
            filled = ours.send(BIG)
            ring.send_silently(ours.fileno(), b"last")
            assert ring.submit_and_wait() == [(SEND, ours.fileno(), -errno.EAGAIN, MORE, b"")]
            with ThreadPoolExecutor(1) as reader:
                data = reader.submit(read_all, peer, filled + 4)
                assert ring.submit_and_wait() == [(SEND, ours.fileno(), 4, 0, b"")]
                assert data.result()[-4:] == b"last"

    def test_one_that_is_asked_about_in_time_completes(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ring.send_silently(ours.fileno(), b"no longer quiet")
            assert ring.is_sending(ours.fileno())
            assert ring.submit_and_wait() == [(SEND, ours.fileno(), 15, 0, b"")]
            assert peer.recv(100) == b"no longer quiet"

    def test_to_one_who_is_gone_it_fails_aloud(self, pair: Pair) -> None:
        ours, peer = pair
        with ours, Ring(4096) as ring:
            peer.close()
            ours.shutdown(socket.SHUT_WR)
            ring.send_silently(ours.fileno(), b"nobody")
            assert ring.submit_and_wait() == [(SEND, ours.fileno(), -errno.EPIPE, 0, b"")]

    @pytest.mark.parametrize("second", ["send", "send_silently"])
    def test_two_at_once_are_refused(self, pair: Pair, second: str) -> None:
        ours, peer = pair
        with ours, peer, Ring(4096) as ring:
            ring.send_silently(ours.fileno(), b"one")
            with pytest.raises(UsageError, match="is sending"):
                getattr(ring, second)(ours.fileno(), b"two")


def test_more_orders_than_the_queue_has_places(pair: Pair) -> None:
    ours, peer = pair
    with ours, peer, Ring(4096) as ring:
        for _ in range(3000):
            ring.poll(ours.fileno(), 4)
        done = ring.submit_and_wait()
        while len(done) < 3000:
            done += ring.wait()
        assert {result for _, _, result, *_ in done} == {4}


def test_a_durable_write_and_a_read_of_it() -> None:
    with tempfile.TemporaryFile(buffering=0) as file, Ring(4096) as ring:
        ring.write_durably(file.fileno(), b"kept")
        assert ring.submit_and_wait() == [(SYNC, file.fileno(), 0, 0, b"")]
        ring.read(file.fileno(), 1)
        assert ring.submit_and_wait()[0][4] == b"ept"


def test_a_write_that_fails_says_so_once() -> None:
    with open("/dev/null", "rb") as file, Ring(4096) as ring:  # noqa: PTH123  read-only
        ring.write_durably(file.fileno(), b"lost")
        assert ring.submit_and_wait() == [(SYNC, file.fileno(), -errno.EBADF, 0, b"")]
