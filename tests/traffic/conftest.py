"""A server to put a load on."""

from collections.abc import Iterator

import pytest

from iolab.api import start
from tests.peers import Address


@pytest.fixture
def address() -> Iterator[Address]:
    with start("epoll") as server:
        yield server.address
