"""Every test that asks for a `subject` runs once for every model, and fails if the model leaves a trace."""

import gc
import importlib
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from iolab.models import MODELS, Model
from tests.servers.support import Subject
from tests.servers.traces import left, traces
from tests.servers.wire import Http, Raw

KINDS = ("threads", "nonblocking", "epoll", "signals", "io_uring", "asyncio", "tornado")
"""One model of each kind: a test that is dear runs for these every day, and for the others in `make certify`."""

EVERY_DAY = ("test_echo_of_many_messages", "test_a_second_client_while_the_first_is_silent")
"""What servers of several processes do every day, beside `tests/workers`; the rest is for `make certify`, since each
start takes a process and its workers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = str(item.callspec.params.get("subject")) if hasattr(item, "callspec") else ""
        apart = name in MODELS and MODELS[name].apart and item.name.partition("[")[0] not in EVERY_DAY
        if name not in KINDS and (apart or item.get_closest_marker("by_kind")):
            item.add_marker(pytest.mark.certify)


@pytest.fixture(params=MODELS)
def subject(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Subject:
    """The model under test; skips, with the reason, one that cannot run here."""
    model = MODELS[request.param]
    why_not = model.why_not()
    if why_not:
        pytest.skip(why_not)
    load(model)
    return Subject(model, Http(model.wrap) if model.wrap else Raw(), model.name, record_property)


@cache
def load(model: Model) -> None:
    """Import a model and read its card, once: what an import opens stays for good."""
    importlib.import_module(model.module)
    assert model.card
    gc.freeze()  # and what it made is not looked at again by every collection


@pytest.fixture(autouse=True)
def no_trace(request: pytest.FixtureRequest) -> Iterator[None]:
    """Assert that a test of a model leaves nothing when the server has stopped, and that it said nothing."""
    if "subject" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("subject")  # first of all: it may skip, and it imports
    capfd, caplog = request.getfixturevalue("capfd"), request.getfixturevalue("caplog")
    before = traces()
    yield
    assert "\n".join(left(before)) == ""
    gc.collect()  # a socket that was dropped unclosed warns, and warnings are errors
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records] == []
