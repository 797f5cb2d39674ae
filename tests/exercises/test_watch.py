"""What is read of a process and its connections: whether a call ends by itself, and what was not received."""

import ctypes
import os
import socket
import time
from collections.abc import Callable

import pytest

from iolab.exercises.sandbox import watch
from iolab.exercises.sandbox.watch import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_PRIVATE,
    FUTEX_WAIT_BITSET,
    LONG_MS,
    SystemCall,
    count_unreceived,
    has_limit,
)

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


@pytest.mark.parametrize(
    ("operation", "clock"),
    [
        (FUTEX_PRIVATE, None),
        (FUTEX_PRIVATE | FUTEX_WAIT_BITSET, time.monotonic),
        (FUTEX_PRIVATE | FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, time.time),
    ],
)
def test_the_limit_of_a_futex_is_a_time_or_a_moment(operation: int, clock: Callable[[], float] | None) -> None:
    begin_s = clock() if clock else 0.0
    limit = (ctypes.c_int64 * 2)(int(begin_s) + 1_000, 0)
    call = SystemCall("futex", (0, operation, 0, ctypes.addressof(limit), 0, 0))
    remains_s = watch.read_limit_s(os.getpid(), call)
    assert remains_s == 1_000 if clock is None else int(begin_s) + 1_000 - clock() <= remains_s <= 1_000
    assert watch.read_limit_s(os.getpid(), SystemCall("futex", (0, operation, 0, NULL, 0, 0))) == 0


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
