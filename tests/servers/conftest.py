"""Every test here runs once for every model, and fails if the model leaves a trace."""

import gc
import importlib
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from iolab.models import MODELS, Model
from tests.servers.support import Subject
from tests.servers.traces import left, traces
from tests.servers.wire import Http, Raw


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
def no_trace(subject: Subject, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Assert that nothing is left when the server has stopped, and that it said nothing."""
    before = traces()
    yield
    assert "\n".join(left(before)) == ""
    gc.collect()  # a socket that was dropped unclosed warns, and warnings are errors
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records] == []
