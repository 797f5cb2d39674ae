"""A load on a server that speaks a protocol: the request is wrapped, and the reply's length is the server's."""

import warnings

import pytest

from iolab.api import measure
from iolab.background import ReplyWarning
from iolab.errors import LoadFailed
from iolab.measurement.adapt import adapt
from iolab.models import MODELS, http_post
from iolab.replies import upper
from iolab.traffic.workload import Workload

needs_sanic = pytest.mark.skipif(bool(MODELS["sanic"].why_not()), reason=str(MODELS["sanic"].why_not()))


def test_a_model_of_bytes_gets_the_workload_as_it_is() -> None:
    workload = Workload(requests=10)
    assert adapt(workload, MODELS["threads"], upper) is workload


def test_a_request_of_your_own_is_left_alone() -> None:
    workload = Workload(request=b"GET / HTTP/1.1\r\n\r\n", reply_bytes=100)
    assert adapt(workload, MODELS["sanic"], upper) is workload


@needs_sanic
@pytest.mark.parametrize("size_bytes", [1, 9, 10, 64, 100_000])
def test_every_reply_has_the_length_that_was_counted(size_bytes: int) -> None:
    run = measure("sanic", connections=3, requests=30, size_bytes=size_bytes)
    assert (len(run.records), run.records.errors) == (30, {})
    assert run.records.workload.request == http_post(b"a" * size_bytes)


@needs_sanic
def test_the_length_follows_the_reply_function() -> None:
    short = adapt(Workload(requests=10), MODELS["sanic"], lambda request: bytes(1000)).reply_bytes
    assert (
        short and adapt(Workload(requests=10), MODELS["sanic"], lambda request: bytes(2000)).reply_bytes == short + 1000
    )


@needs_sanic
def test_a_server_without_a_reply_is_named() -> None:
    def respond(request: bytes) -> bytes:
        raise ValueError("a bug")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReplyWarning)
        with pytest.raises(LoadFailed, match="how long the replies are"):
            adapt(Workload(requests=10), MODELS["sanic"], respond)
