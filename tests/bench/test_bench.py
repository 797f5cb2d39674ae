"""A run of the benchmark has an end, and says why there are no figures."""

import os
import time
from typing import Any, NoReturn

import pytest

from bench import floor, models
from bench.models import FIGURES, attempt
from iolab.errors import LoadFailed
from iolab.traffic.workload import Workload

WORK = Workload(connections=2, requests=40)


def refuses(_: Workload) -> NoReturn:
    raise LoadFailed("connection 1 of 2 failed")


def ends(_: Workload) -> NoReturn:
    os._exit(1)


def hangs(_: Workload) -> NoReturn:
    while True:
        time.sleep(1)


def test_what_it_measures_comes_back() -> None:
    assert attempt(lambda work: {"requests": work.requests, "process": os.getpid()}, WORK)["requests"] == 40


@pytest.mark.parametrize(("run", "why"), [(refuses, "connection 1 of 2 failed"), (ends, "its process ended")])
def test_a_run_that_fails_says_why(run: Any, why: str) -> None:
    result = attempt(run, WORK)
    assert why in result["failed"]
    assert [result[figure] for figure in FIGURES] == [None] * len(FIGURES)


def test_a_run_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "LIMIT_S", 0.1)
    assert attempt(hangs, WORK)["failed"] == "it had not ended after 0.1 s"


def test_floor_and_model_are_measured_alike() -> None:
    try:
        floor.build()
    except floor.NoFloor as why_not:
        pytest.skip(str(why_not))
    for run in (models.c_server, models.python_server("epoll")):
        result = attempt(run, WORK)
        assert (result["requests"], result["errors"]) == (40, 0)
        assert result["cpu_us_per_request"] > 0
