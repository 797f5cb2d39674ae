"""Asynchronous I/O of the kernel: on a socket `io_submit` waits for the bytes, or brings an error."""

import errno
import socket

import pytest

from iolab.kernel import linux_aio

pytestmark = pytest.mark.skipif(linux_aio.why_not() is not None, reason=str(linux_aio.why_not()))


def test_what_is_there_is_read() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        peer.send(b"hello")
        taken_ns, result, received = linux_aio.read(ours.fileno(), 100)
    assert (result, received) == (5, b"hello") and taken_ns > 0


def test_a_silent_socket_that_does_not_block_is_an_error() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        assert linux_aio.read(ours.fileno(), 100)[1:] == (-errno.EAGAIN, b"")
