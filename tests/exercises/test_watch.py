"""What is read of a process and its connections: whether a call ends by itself, and what was not received."""

import ctypes
import os
import socket
import threading

import pytest

from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.watch import LONG_MS, SystemCall, count_unreceived, has_limit

ENDLESS, NULL, POINTER = 0xFFFFFFFF, 0, 0x7FFF_0000_1000


@pytest.mark.parametrize(
    ("name", "place", "limit", "ends"),
    [
        ("epoll_wait", 3, ENDLESS, False),
        ("epoll_wait", 3, (1 << 64) - 1, False),
        ("epoll_wait", 3, 1_000, True),
        ("epoll_wait", 3, LONG_MS, False),
        ("poll", 2, ENDLESS, False),
        ("timeout", 2, 5_000, True),
        ("select", 4, NULL, False),
        ("select", 4, POINTER, True),
        ("futex", 3, NULL, False),
        ("futex", 3, POINTER, True),
        ("recv", 3, POINTER, False),
        ("sleep", 0, NULL, True),
    ],
)
def test_a_call_with_a_limit_ends_by_itself(name: str, place: int, limit: int, ends: bool) -> None:
    arguments = tuple(limit if number == place else 7 for number in range(6))
    assert has_limit(SystemCall(name, arguments)) == ends


@pytest.mark.parametrize(("limit_s", "is_long"), [(60, True), (0.5, False)])
def test_it_is_seen_how_long_a_thread_may_still_wait_for_another(limit_s: float, is_long: bool) -> None:
    over, pid, call = threading.Event(), os.getpid(), None
    thread = threading.Thread(target=over.wait, args=(limit_s,))
    thread.start()
    while thread.is_alive() and not (call and call.name == "futex"):
        call = watch.read_call(pid, thread.native_id or 0)
    remains_s = watch.read_limit_s(pid, call) if call else 0.0
    over.set()
    thread.join()
    assert (remains_s > 1) == is_long and remains_s <= limit_s


def test_a_limit_that_the_kernel_sets_to_a_connection_is_seen() -> None:
    process = os.pidfd_open(os.getpid())
    copy = ctypes.CDLL(None).syscall(watch.GETFD, process, process, 0)
    os.close(process)
    if copy < 0:
        pytest.skip("pidfd_getfd(2) is refused here, so nothing is known of another process's sockets")
    os.close(copy)
    with socket.socket() as connection:
        assert not watch.limits_connections(os.getpid())
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 700)
        assert watch.limits_connections(os.getpid())


def test_bytes_that_arrived_are_counted_until_they_are_received() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer_port = peer.getsockname()[1]
            peer.sendall(b"not accepted yet")
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(100, socket.MSG_PEEK) == b"not accepted yet"
                assert count_unreceived(port, peer_port) == 16
                connection.recv(4)
                assert count_unreceived(port, peer_port) == 12
                assert count_unreceived(peer_port, port) == 0
                connection.recv(100)
                assert count_unreceived(port, peer_port) == 0


def test_the_kernel_says_what_waits_on_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with socket.create_connection(listening.getsockname()) as peer, listening.accept()[0] as connection:
            ends = listening.getsockname(), peer.getsockname()
            peer.sendall(b"sixteen letters.")
            connection.recv(100, socket.MSG_PEEK)
            if watch.count_queues(*ends) == (0, 0):
                pytest.skip("sock_diag(7) is missing here, so a server's short waits are not seen")
            assert watch.count_queues(*ends) == (16, 0)
            connection.recv(4)
            assert watch.count_queues(*ends) == (12, 0)
            connection.recv(100)
            assert watch.count_queues(*ends) == (0, 0)
