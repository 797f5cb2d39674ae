"""The door: a name or a function becomes a model, and what is neither is named as what it is."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import iolab
from iolab.errors import UsageError
from iolab.listening import ListeningSocket, Respond
from iolab.models import MODELS, Model, choose, resolve
from tests.made_up import machine_without


def mine(listening: ListeningSocket, respond: Respond) -> None:
    """Serve nobody."""


async def coroutine(listening: ListeningSocket, respond: Respond) -> None:
    pass


def generator(listening: ListeningSocket, respond: Respond) -> Iterator[None]:
    yield


async def generator_of_asyncio(listening: ListeningSocket, respond: Respond) -> AsyncIterator[None]:
    yield


def one(listening: ListeningSocket) -> None:
    pass


class Serving:
    def __call__(self, listening: ListeningSocket, respond: Respond) -> None:
        pass

    def serve(self, listening: ListeningSocket, respond: Respond) -> None:
        pass


class TestResolve:
    def test_a_name_is_the_model_of_the_table(self) -> None:
        assert all(resolve(name) is model for name, model in MODELS.items())
        assert resolve(MODELS["epoll"]) is MODELS["epoll"]

    def test_a_function_is_a_model_without_a_page(self) -> None:
        model = resolve(mine)
        assert (model.name, model.serve, model.why_not(), model.card) == ("mine", mine, None, {})
        assert model.source.startswith("def mine(")

    @pytest.mark.parametrize(
        "serve", [Serving(), Serving().serve, functools.partial(mine), lambda listening, respond: None]
    )
    def test_whatever_takes_the_two_serves(self, serve: Any) -> None:
        assert resolve(serve).serve is serve

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            (3, "not 3$"),
            (None, "not None$"),
            (b"epoll", "not b'epoll'$"),
            (["epoll"], r"not \['epoll'\]$"),
            (coroutine, "not the coroutine function coroutine: write `def`, and call asyncio.run inside it"),
            (generator, "not the generator generator: calling it serves nobody"),
            (generator_of_asyncio, "not the generator generator_of_asyncio"),
            (one, r"not one\(listening: .*, which does not take those two"),
            (lambda: None, r"not <lambda>\(\), which does not take those two"),
            (lambda listening, *, respond: None, "not <lambda>.*, which does not take those two"),
            (Serving, "not the class Serving$"),
            (iolab, "not the module iolab$"),
        ],
    )
    def test_what_cannot_serve_is_named_as_what_it_is(self, wrong: Any, says: str) -> None:
        expected = r"^expected the name of a model or a function serve\(listening, respond\), "
        with pytest.raises(UsageError, match=expected + says):
            resolve(wrong)

    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(UsageError, match="there is no model 'epol'; did you mean epoll"):
            resolve("epol")


class TestChoose:
    def test_those_that_run_here_are_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        machine_without("epoll", "made up", monkeypatch)
        assert choose(["poll", "epoll", mine]) == [MODELS["poll"], resolve(mine)]
        assert MODELS["epoll"] not in choose() and MODELS["blocking"] in choose()
        with pytest.raises(UsageError, match="epoll cannot run here: made up"):
            choose(["epoll"])

    @pytest.mark.parametrize("wrong", ["epoll", 3, None])
    def test_what_is_no_list_is_refused(self, wrong: Any) -> None:
        with pytest.raises(UsageError, match=r"expected models in a list, such as \['epoll'\], not "):
            choose(wrong)

    def test_two_functions_of_one_name_cannot_be_told_apart(self) -> None:
        with pytest.raises(UsageError, match="two different models are called mine"):
            choose([mine, Model("mine", function=one)])  # type: ignore[arg-type]
        assert choose(["epoll", "epoll"]) == [MODELS["epoll"]] * 2
