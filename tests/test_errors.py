"""Errors that help: whatever a learner hands to the face, two lines say what was expected, what came, what to do."""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Callable as CallableKind
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import numpy as np
import pytest

import iolab
from iolab import background
from iolab.errors import LoadFailed, ServerFailed, UsageError, brief
from iolab.exercises import grade
from iolab.listening import ListeningSocket, Respond
from iolab.measurement import comparison, run
from iolab.measurement.run import Run
from iolab.trace import timeline
from iolab.traffic import process
from iolab.xrays import xray

face: Any = iolab
OURS = (UsageError, LoadFailed, ServerFailed)


class Thing:
    """A class of the learner's, and no value that anything takes."""


def nobody() -> None:
    """Take nothing."""


WRONG: dict[str, Any] = {
    "an object": Thing(),
    "a class": Thing,
    "not a number": float("nan"),
    "numpy's not a number": np.float64("nan"),
    "a complex number": 1j,
    "a function of nothing": nobody,
    "a module": sys,
}
"""What no parameter takes."""

ODD: dict[str, Any] = {
    "None": None,
    "a flag": True,
    "negative": -1,
    "zero": 0,
    "half": 0.5,
    "infinite": float("inf"),
    "numpy's whole number": np.int64(3),
    "numpy's number": np.float32(-2.5),
    "numpy's flag": np.True_,
    "huge": 10**30,
    "a text": "x",
    "no text": "",
    "bytes": b"x",
    "an empty list": [],
    "a list": [1],
    "a list of lists": [[1]],
    "a dict": {"a": 1},
    "a set": {1},
    "a range": range(2),
}
"""What some parameters take."""

SMALL = {"connections": 1, "requests": 1}
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "anatomy": ((None,), {}),
    "card": (("epoll",), {}),
    "check": (("03-select", Thing), {}),
    "compare": ((["epoll"], [1]), {"requests": 1}),
    "diff": (("poll", "epoll"), {}),
    "doctor": ((), {}),
    "explore": (("epoll",), {}),
    "list_servers": ((), {}),
    "load": ((("127.0.0.1", 9),), SMALL),
    "measure": (("epoll",), SMALL),
    "my_progress": ((), {}),
    "predict": (("key", "Question?"), {}),
    "profile": ((), {}),
    "reference": (("tlpi-63-9",), {}),
    "replay": ((None,), {}),
    "solution": (("03-epoll",), {"ask": False}),
    "source": (("epoll",), {}),
    "start": (("epoll",), {}),
    "timeline": (("epoll",), SMALL),
    "xray": ((1,), {"seconds": 1}),
    "Table": (([],), {}),
    "Workload": ((), {}),
}
"""A right call of everything on the face that can be called."""

TAKES = {
    ("source", "a class"),
    ("source", "a function of nothing"),
    ("check", "a function of nothing"),
    ("diff", "a function of nothing"),
}
"""`source` shows the text of these; and a wrong answer is the judge's to find, or the drill's."""


@pytest.fixture
def door_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the door be all that there is: behind it nothing runs."""
    for module, name in (
        (background, "start"),
        (run, "measure"),
        (comparison, "compare"),
        (timeline, "timeline"),
        (process, "load"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    monkeypatch.setattr(sys.modules[grade.__module__], "grade", lambda *_, **__: None)
    for name in ("_of_process", "_of_command"):
        monkeypatch.setattr(xray, name, lambda *_, **__: None)


def test_every_function_of_the_face_is_called_here() -> None:
    functions = {name for name in dir(iolab) if callable(getattr(iolab, name))}
    assert functions - {"UsageError", "ServerFailed"} == set(CALLS)


def changes(values: dict[str, Any]) -> Iterator[Any]:
    """Yield right calls in which one argument is exchanged for each of these values."""
    for name, (arguments, options) in CALLS.items():
        for place, parameter in enumerate(inspect.signature(getattr(iolab, name)).parameters.values()):
            for what, value in values.items():
                if place < len(arguments):
                    changed = (*arguments[:place], value, *arguments[place + 1 :]), options
                elif parameter.kind is parameter.POSITIONAL_ONLY:
                    changed = ((*arguments, value), options)
                else:
                    changed = (arguments, {**options, parameter.name: value})
                yield name, parameter.name, what, functools.partial(getattr(iolab, name), *changed[0], **changed[1])


def outcome(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except Exception as error:
        return error
    return None


@pytest.mark.usefixtures("door_alone")
class TestTheDoor:
    def test_what_no_parameter_takes_is_refused_by_each_in_two_lines(self) -> None:
        bad = []
        for name, parameter, what, call in changes(WRONG):
            error = outcome(call)
            if (name, what) not in TAKES and not (isinstance(error, OURS) and len(brief(error)) == 2):
                bad.append((name, parameter, what, error))
        assert not bad, "\n".join(map(str, bad))

    def test_what_some_take_is_taken_or_refused_in_two_lines(self) -> None:
        bad = []
        for name, parameter, what, call in changes(ODD):
            error = outcome(call)
            if error and not (isinstance(error, OURS) and len(brief(error)) == 2):
                bad.append((name, parameter, what, error))
        assert not bad, "\n".join(map(str, bad))


def raising(listening: ListeningSocket, respond: Respond) -> None:
    raise ZeroDivisionError("one too many")


async def waiting(listening: ListeningSocket, respond: Respond) -> None:
    """Serve nobody."""


class TestTheCause:
    """What is wrong with a server is named, and never that it refuses connections."""

    @pytest.mark.parametrize(
        ("serve", "says"),
        [
            (
                raising,
                r"raising ended by itself: ZeroDivisionError: one too many, at line \d+: raise ZeroDivisionError",
            ),
            (
                lambda listening, respond: 3,
                "<lambda> ended by itself: it returned, though its listening socket was open",
            ),
            (lambda listening: 3, r"not <lambda>\(listening\), which does not take those two"),
            (waiting, "not the coroutine function waiting: write `def`"),
        ],
    )
    def test_of_a_measurement_that_fails(self, serve: Any, says: str) -> None:
        for measure in (face.measure, face.timeline):
            with pytest.raises((ServerFailed, UsageError), match=says) as caught:
                measure(serve, **SMALL)
            assert "refused" not in str(caught.value)

    def test_of_a_connection_of_the_learners_own(self) -> None:
        def connect_too_late() -> None:
            with iolab.start(raising) as server:
                server.wait()
                face.load(server.address, **SMALL)

        with pytest.raises(ServerFailed, match="raising ended by itself"):
            connect_too_late()

    @pytest.mark.parametrize("respond", [3, bytes, lambda: b"", waiting])
    def test_of_a_reply_that_is_none(self, respond: Any) -> None:
        with pytest.raises(UsageError, match=r"expected respond to be a function respond\(request\)"):
            iolab.start("epoll", respond)

    def test_of_a_reply_that_raises_with_its_line(self) -> None:
        def respond(request: bytes) -> bytes:
            raise KeyError("no such word")

        with pytest.warns(background.ReplyWarning, match=r"KeyError: 'no such word', at line \d+: raise KeyError"):
            iolab.measure("epoll", respond=respond, connections=1, requests=1)


CELLS = {
    "a typing error": 'run = 1\niolab.measure("epol")',
    "the rest": "%tb",
    "an interrupt": "import _thread\niolab.measure('epoll', respond=lambda request: _thread.interrupt_main() or b'A')",
}


def test_a_notebook_shows_two_lines_and_the_rest_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell, shows = InteractiveShell(), {}
    shell.run_cell("import iolab")
    for what, cell in CELLS.items():
        shell.run_cell(cell)
        shows[what] = capsys.readouterr().out.strip().splitlines()
    assert shows["a typing error"][0].startswith('line 2: iolab.measure("epol")')
    assert shows["a typing error"][1].startswith("UsageError: there is no model 'epol'; did you mean epoll?")
    assert len(shows["a typing error"]) == 2
    assert len(shows["the rest"]) > 10
    assert shows["an interrupt"] == [
        f"line 2: {CELLS['an interrupt'].splitlines()[1]}    (%tb shows the rest)",
        "KeyboardInterrupt: measure was interrupted; what it began has ended",
    ]


OWN: dict[Any, Any] = {
    int: 1,
    float: 1.0,
    str: "x",
    bytes: b"x",
    tuple[str, int]: ("127.0.0.1", 9),
    Path: Path(),
}


def blank(kind: Any) -> Any:
    """Return some value that a parameter of this kind takes."""
    kind = next(iter(get_args(kind)), kind) if isinstance(kind, UnionType) else kind
    if kind in OWN:
        return OWN[kind]
    if get_origin(kind) is Mapping:
        return {}
    if get_origin(kind) in (Sequence, Collection):
        return []
    return (lambda: None) if get_origin(kind) is CallableKind else kind.__new__(kind)


def functions_of_packages() -> dict[str, Callable[..., Any]]:
    packages = (iolab.claims, iolab.course, iolab.experiments, iolab.faults, iolab.figures)
    every = {f"{each.__name__}.{name}": getattr(each, name) for each in packages for name in each.__all__}
    return {
        name: each
        for name, each in every.items()
        if inspect.isfunction(each) or isinstance(each, iolab.experiments.Experiment)
    }


FUNCTIONS = functions_of_packages()


def call_with(function: Any, wrong: inspect.Parameter, value: Any) -> BaseException | None:
    """Call a function with this value for one of its parameters, and what they take for those that it needs."""
    arguments: list[Any] = []
    for each in inspect.signature(getattr(function, "run", function)).parameters.values():
        if each.name == wrong.name and each.default is each.empty:
            arguments.append(value)
        elif each.default is each.empty and each.kind is not each.VAR_POSITIONAL:
            arguments.append(blank(each.annotation))
    options = {} if wrong.default is wrong.empty else {wrong.name: value}
    return outcome(functools.partial(function, *arguments, **options))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_no_parameter_of_a_package_takes_is_refused_in_two_lines(name: str) -> None:
    function, bad = FUNCTIONS[name], []
    for parameter in inspect.signature(getattr(function, "run", function)).parameters.values():
        takes = {"a function of nothing"} if get_origin(parameter.annotation) is CallableKind else set()
        for what in WRONG.keys() - takes:
            error = call_with(function, parameter, WRONG[what])
            if not (isinstance(error, OURS) and len(brief(error)) == 2):
                bad.append((parameter.name, what, error))
    assert not bad, "\n".join(map(str, bad))
    with pytest.raises(UsageError, match=r"it takes|there is no option"):
        function(no_such_option=1)


def test_lists_are_looked_into() -> None:
    with pytest.raises(UsageError, match="expected labels to be a list, each a text in quotes, not 3"):
        face.figures.percentiles(object.__new__(Run), labels=3)
    with pytest.raises(UsageError, match="expected labels to be a list, each a text in quotes, not 'one'"):
        face.figures.percentiles(object.__new__(Run), labels="one")
    with pytest.raises(UsageError, match="there is no selector 'EpollSelect'; did you mean EpollSelector"):
        face.experiments.takes_files(["EpollSelect"])


def test_a_cpu_that_is_not_there_is_refused() -> None:
    for cpu in (-1, 99_999, 10**30):
        with pytest.raises(UsageError, match=r"expected cpu to be one that this process may use \(\d"):
            iolab.start("epoll", cpu=cpu)


def test_a_wait_that_is_interrupted_says_that_the_server_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with iolab.start("epoll") as server, monkeypatch.context() as patch:
        patch.setattr(server._ended, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            server.wait()
        lines = vars(caught.value)["_render_traceback_"]()
    assert len(lines) == 2 and "server.wait()" in lines[0]
    assert re.match(r"KeyboardInterrupt: wait was interrupted; epoll on \S+, running; stop it with", lines[1])
