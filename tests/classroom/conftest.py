"""Clusters of a test take any free port."""

from collections.abc import Iterator
from functools import partial

import distributed
import pytest


@pytest.fixture(autouse=True, scope="session")
def any_port() -> Iterator[None]:
    """Keep Dask from asking for port 8787, dashboard or not: a second cluster of this machine leaks a socket there."""
    with pytest.MonkeyPatch.context() as patch:
        scheduler = {"dashboard": False, "dashboard_address": ":0"}
        patch.setattr(distributed, "LocalCluster", partial(distributed.LocalCluster, scheduler_kwargs=scheduler))
        yield
