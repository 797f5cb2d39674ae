"""Values read well where there is no notebook: `print` and a bare name in plain Python and in IPython show tables."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.lib.pretty import pretty

import iolab
from iolab import experiments
from iolab.course import delivery
from iolab.display.tables import LINE_LETTERS
from iolab.exercises.protocol import Check
from iolab.exercises.report import Report


@pytest.fixture(scope="module")
def run() -> Any:
    return iolab.measure("epoll", connections=2, requests=20)


VALUES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "run": (lambda run: run, "CPU µs/req"),
    "comparison": (lambda run: iolab.compare(["epoll"], [2], requests=20), "CPU µs/req"),
    "timeline": (lambda run: iolab.timeline("epoll", connections=1, requests=5), "calls/req"),
    "table": (lambda run: iolab.Table([{"model": "epoll", "per_s": 5.0}], "a caption", ["a note"]), "- a note"),
    "doctor": (lambda run: iolab.doctor(), "the kernel's steps"),
    "card": (lambda run: iolab.card("epoll"), "what it says"),
    "ledger": (lambda run: iolab.claims.ledger(), "here it"),
    "verdict": (lambda run: iolab.claims.Verdict("C1", "holds", "of this"), "of this"),
    "reference": (lambda run: iolab.reference("tlpi-63-9"), "watched"),
    "report": (lambda run: Report("03-select", 1, (Check("it serves", True, 1, "it did"),)), "what was seen"),
    "experiment": (
        lambda run: experiments.CopyCost(
            ({"size_bytes": 64, "copy_us": 3.0, "waking_us": 2.0, "running_us": 1.0, "why_not": ""},), "here"
        ),
        "copy, µs",
    ),
    "records": (lambda run: run.records, "20 replies on 2 connections"),
    "models": (lambda run: iolab.MODELS["epoll"], "epoll: I/O multiplexing with epoll"),
    "source": (lambda run: iolab.source("blocking"), "def serve(listening"),
}


VALUES |= {
    "profile": (lambda run: iolab.profile(), "quick: runs of 0.5 s"),
    "workload": (lambda run: iolab.Workload(), "a workload: seconds 1.0, connections 10, size_bytes 64"),
    "anatomy": (lambda run: iolab.anatomy(iolab.timeline("epoll", connections=1, requests=5)), "medians in µs"),
    "file reads": (lambda run: iolab.course.read_file(2), ""),
    "delivery": (lambda run: delivery.deliver("poll", 1), "the program asks with: poll"),
    "explorer": (lambda run: iolab.explore(), "Nothing has been measured."),
    "signs": (lambda run: copy_cost().signs, "expected"),
    "shape": (lambda run: copy_cost().verdict, "same shape: "),
}


def copy_cost() -> Any:
    return experiments.copy_cost(rounds=2)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_reads_as_text(name: str, run: Any) -> None:
    make, says = VALUES[name]
    value = make(run)
    for text in (repr(value), pretty(value)):
        assert says in text
        assert "array(" not in text and "<iolab" not in text
        is_sentence = "\n" not in text  # which a terminal breaks where it likes, as it must not break a table
        assert is_sentence or max(map(len, text.splitlines())) <= LINE_LETTERS + 10


def test_a_figure_is_told_where_it_cannot_be_shown(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    figure = iolab.figures.latency(run)
    figure.show()
    assert capsys.readouterr().out.startswith("Latency of epoll, 2 connections")
    assert repr(figure) == figure.alt


ROWS = {"Call", "Absence", "Occupancy", "Span", "Gap", "Entry", "Stage", "Token", "Box", "Portion", "Sentence"}
ROWS |= {"Setting", "History", "Check"}
"""Rows of a record, and what a control is made of: values for programs, whose fields are all that they say."""


def values_in(value: Any, depth: int = 3) -> Iterator[Any]:
    """Yield a value, and all values of the package that its public attributes hold."""
    if isinstance(value, (list, tuple, dict)) and not type(value).__module__.startswith("iolab"):
        for each in list(value.values() if isinstance(value, dict) else value)[:1]:
            yield from values_in(each, depth)
    elif type(value).__module__.startswith("iolab") and depth:
        yield value
        for name in dir(value):
            if not name.startswith("_") and not callable(each := getattr(value, name)):
                yield from values_in(each, depth - 1)


@pytest.mark.parametrize("name", VALUES)
def test_no_value_on_the_face_reads_as_raw_data(name: str, run: Any) -> None:
    raw = {
        type(value).__name__: repr(value)
        for value in values_in(VALUES[name][0](run))
        if repr(value).startswith((f"{type(value).__name__}(", "<iolab")) or "array(" in repr(value)
    }
    assert {kind: text for kind, text in raw.items() if kind not in ROWS} == {}
