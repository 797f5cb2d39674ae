"""Values read well where there is no notebook: `print` and a bare name in plain Python and in IPython show tables."""

from collections.abc import Callable
from typing import Any

import pytest
from IPython.lib.pretty import pretty

import iolab
from iolab import experiments
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
    "doctor": (lambda run: iolab.doctor(), "runs here"),
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


@pytest.mark.parametrize("name", VALUES)
def test_a_value_reads_as_text(name: str, run: Any) -> None:
    make, says = VALUES[name]
    value = make(run)
    for text in (repr(value), pretty(value)):
        assert says in text
        assert "array(" not in text and "<iolab" not in text
        assert max(map(len, text.splitlines())) <= LINE_LETTERS + 10


def test_a_figure_is_told_where_it_cannot_be_shown(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    figure = iolab.figures.latency(run)
    figure.show()
    assert capsys.readouterr().out.startswith("Latency of epoll, 2 connections")
    assert repr(figure) == figure.alt
