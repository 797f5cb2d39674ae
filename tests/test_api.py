"""The face of the package: its functions, tables, texts, bars, replies and sizes."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

import iolab
from iolab.errors import UsageError
from iolab.listening import ListeningSocket, Respond
from tests.peers import Peer, upper

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestFunctions:
    def test_they_do_as_they_say_and_print_nothing(self, capfd: pytest.CaptureFixture[str]) -> None:
        run = iolab.measure("epoll", connections=2, requests=50)
        assert (len(run.records), run.records.errors) == (50, {})
        made = iolab.compare(["blocking", "epoll"], [1], requests=20)
        assert {row["model"] for row in made.rows} == {"blocking", "epoll"}
        line = iolab.timeline("blocking", connections=1, requests=5)
        assert len(line.find("sendall")) == 5
        with Peer(upper) as peer:
            assert len(iolab.load(peer.address, connections=1, requests=7)) == 7
        with iolab.start("threads") as server:
            assert server.name == "threads"
        assert capfd.readouterr() == ("", "")

    def test_a_workload_is_taken_whole_or_spelt_out(self) -> None:
        whole = iolab.measure("epoll", iolab.Workload(connections=3, requests=30))
        assert whole.records.workload == iolab.Workload(connections=3, requests=30)

    def test_replies_of_your_own_are_measured(self) -> None:
        run = iolab.measure("epoll", respond=iolab.replies.slow(0.002), connections=1, requests=5)
        assert run.records.service_ns.min() >= 2_000_000


face: Any = iolab  # mypy refuses most of these before they run
SERVE = r"expected the name of a model or a function serve\(listening, respond\), not "


class TestTheDoor:
    """What cannot work is refused in one sentence, before a server starts."""

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (lambda: face.start("epol"), "did you mean epoll"),
            (lambda: face.start(3), f"{SERVE}3"),
            (lambda: face.timeline(lambda: None), f"{SERVE}<lambda>"),
            (lambda: face.timeline(print), "a timeline copies a function written with `def`; print is a builtin"),
            (lambda: face.compare(["epoll", 3]), f"{SERVE}3"),
            (lambda: face.measure("epoll", 10), "a Workload, or options by name such as connections=10, not 10"),
            (lambda: face.measure("epoll", iolab.Workload(), seconds=1), "not both; put seconds into the Workload"),
            (lambda: face.compare("epoll"), r"expected models in a list, such as \['epoll'\], not 'epoll'"),
            (lambda: face.compare(["epoll"], 10), r"numbers of connections in a list, such as \[10\], not 10"),
            (lambda: face.compare(["epoll"], []), "at least one number of connections"),
            (lambda: face.compare(["epoll"], [10], repeats=0), "repeats to be a whole number of 1 or more, not 0"),
            (
                lambda: face.measure("epoll", conections=10),
                "no option 'conections'; did you mean connections",
            ),
            (lambda: face.compare(["epoll"], conections=[1]), "did you mean connections"),
            (
                lambda: face.timeline("epoll", request=9, requets=5),
                "no option 'requets'; did you mean request",
            ),
            (lambda: face.load(("127.0.0.1", 9), second=1), "did you mean seconds"),
            (lambda: face.start("epoll", prot=80), "did you mean port"),
            (
                lambda: face.measure("epoll", seconds=-1),
                "seconds to be a finite number above 0, .*, not -1",
            ),
            (lambda: face.measure("epoll", connections=10**7), "10,000,000 connections are too many here"),
            (lambda: face.timeline("epoll", idle=10**7), "10,000,010 connections are too many here"),
            (lambda: face.compare(["epoll"], [1, 10**7]), "10,000,000 connections are too many here"),
            (lambda: face.load(("127.0.0.1", 9), connections=10**7), "10,000,000 connections are too many here"),
            (lambda: face.card(3), "expected model to be the name of a model, such as 'epoll', not 3"),
            (lambda: face.experiments.wait_cost(watched=-1), r"watched to be a list of numbers, .*, not -1"),
            (lambda: face.experiments.wait_cost(watched=[-1]), "each of watched to be a whole number of 1 or more"),
            (lambda: face.experiments.wait_cost(watchd=[1]), "there is no option 'watchd'; did you mean watched"),
            (lambda: face.experiments.wait_cost(seconds=-1), "seconds to be a finite number above 0"),
            (lambda: face.experiments.idle_cost(idle=5), "idle to be a list of numbers"),
            (lambda: face.experiments.idle_cost(models=["epol"]), "did you mean epoll"),
            (lambda: face.experiments.omission(seconds=0), "seconds to be a finite number above 0"),
            (lambda: face.experiments.gil(seconds="1"), "seconds to be a number, not '1'"),
            (
                lambda: face.experiments.connection_cost(connections=[0]),
                "connections to be a whole number of 1 or more",
            ),
        ],
    )
    def test_what_cannot_work_is_refused(self, call: Callable[[], object], says: str) -> None:
        with pytest.raises(UsageError, match=says):
            call()

    @pytest.mark.parametrize("function", [iolab.measure, iolab.timeline, iolab.load, iolab.compare])
    def test_an_editor_completes_every_option(self, function: Callable[..., object]) -> None:
        parameters = inspect.signature(function).parameters
        assert {field.name for field in fields(iolab.Workload)} <= set(parameters)
        assert not [each for each in parameters.values() if each.kind is each.VAR_KEYWORD]

    def test_functions_of_your_own_compare(self) -> None:
        def mine(listening: ListeningSocket, respond: Respond) -> None:
            iolab.MODELS["epoll"].serve(listening, respond)

        made = iolab.compare([mine, "epoll"], [2], requests=20)
        assert {run.model: len(run.records) for run in made.runs} == {"mine": 20, "epoll": 20}
