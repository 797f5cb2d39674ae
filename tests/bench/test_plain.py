"""The plainest servers answer, and stop: what a model is held against must do the same work."""

import pytest

from bench.plain import PLAIN
from iolab.api import measure
from iolab.models import MODELS


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_server_answers_all(name: str) -> None:
    reason = MODELS[name].why_not()
    if reason:
        pytest.skip(reason)
    connections = 10 if MODELS[name].serves_many else 1
    records = measure(PLAIN[name], connections=connections, requests=200).records
    assert (len(records), records.errors) == (200, {})


def test_nearly_every_model_has_one() -> None:
    assert {name for name, model in MODELS.items() if not model.apart} - set(PLAIN) == {"aio", "sanic", "pool"}
