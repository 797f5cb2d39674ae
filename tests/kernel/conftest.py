"""What every binding's test leans on."""

import socket
from collections.abc import Iterator

import pytest

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Return two sockets that are connected to each other."""
    ours, peer = socket.socketpair()
    with ours, peer:
        yield ours, peer
