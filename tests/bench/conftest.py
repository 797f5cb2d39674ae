"""The C floor, for tests of what it does."""

from collections.abc import Iterator

import pytest

from bench import floor


@pytest.fixture(scope="session")
def built() -> None:
    """Build the C server and client; skips, with the reason, where that cannot be."""
    try:
        floor.build()
    except floor.NoFloor as why_not:
        pytest.skip(str(why_not))


@pytest.fixture
def server(built: None) -> Iterator[floor.Server]:
    with floor.Server() as running:
        yield running
