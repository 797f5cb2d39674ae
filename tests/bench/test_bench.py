"""A run of the benchmark has an end, and says why there are no figures."""

import os
import time
from functools import partial
from typing import Any, NoReturn

import pytest

from bench import models
from bench.models import FIGURES, attempt
from iolab.errors import LoadFailed
from iolab.traffic.workload import Workload

WORK = Workload(connections=2, requests=40)


def refuses(_: Workload) -> NoReturn:
    raise LoadFailed("connection 1 of 2 failed")


def ends(_: Workload) -> NoReturn:
    os._exit(1)


def measures(work: Workload) -> dict[str, Any]:
    return {"requests": work.requests, "process": os.getpid()}


def hangs(_: Workload) -> NoReturn:
    while True:
        time.sleep(1)


def test_what_it_measures_comes_back() -> None:
    result = attempt(measures, WORK)
    assert result["requests"] == 40 and result["process"] != os.getpid()


@pytest.mark.parametrize(("run", "why"), [(refuses, "connection 1 of 2 failed"), (ends, "its process ended")])
def test_a_run_that_fails_says_why(run: Any, why: str) -> None:
    result = attempt(run, WORK)
    assert why in result["failed"]
    assert [result[figure] for figure in FIGURES] == [None] * len(FIGURES)


def test_a_run_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "LIMIT_S", 0.1)
    assert attempt(hangs, WORK)["failed"] == "it had not ended after 0.1 s"


@pytest.mark.usefixtures("built")
def test_floor_and_model_are_measured_alike() -> None:
    for run in (models.c_server, partial(models.python_server, "epoll")):
        result = attempt(run, WORK)
        assert (result["requests"], result["errors"]) == (40, 0)
        assert result["cpu_us_per_request"] > 0


def runs_of(*costs: float | None) -> list[dict[str, Any]]:
    rest = {"per_s": 1.0, "p50_us": 1.0, "p99_us": 1.0, "errors": 0, "client_cpu_share": 0.5}
    return [rest | {"cpu_us_per_request": cost} for cost in costs]


def test_a_page_ranks_by_the_ratio_to_c_and_not_by_what_drifts() -> None:
    """Every run of one repeat is twice as dear: by the median of the absolutes poll would be first."""
    rows = models.rows_of(
        10,
        {
            models.FLOOR: runs_of(*[1, 2, 1, 2, 1, 2, 1, 2]),
            ("epoll", "model"): runs_of(*[1.2, 2.4] * 4),
            ("poll", "model"): runs_of(*[1.5, 3.0, 1.5, None, 1.5, None, 1.5, None]),
            ("poll", "plain"): runs_of(*[1.5, 3.0] * 4),
            ("threads", "model"): runs_of(*[None] * 8),
        },
    )
    ratios = {row["model"]: (row["over_c_ratio"], row["over_c_interval"]) for row in rows if row["kind"] == "model"}
    assert ratios == {"epoll": (1.2, [1.2, 1.2]), "poll": (1.5, None), "threads": (None, None)}
    head = {"machine": "a machine", "date": "2026-01-01", "commit": "1", "placement": "", "command": ""}
    lines = [line.split(" | ")[:3] for line in models.page([head | {"rows": rows}]).splitlines() if line[:2] == "| "]
    assert lines[1:] == [
        ["| C epoll", "1.00", "-"],
        ["| `epoll`", "1.20 (1.20 to 1.20)", "-"],
        ["| `poll`", "1.50", "1.00"],
        ["| `threads`", "-", "-"],
    ]


@pytest.mark.parametrize(("share", "says"), [(None, []), (0.1, []), (0.4, ["Other processes took 40% of a core"])])
def test_a_table_that_was_made_beside_other_work_says_so(share: float | None, says: list[str]) -> None:
    rows = models.rows_of(10, {models.FLOOR: runs_of(1), ("epoll", "model"): runs_of(1)})
    lines = models.busy([row | {"neighbours_share": share} for row in rows])
    assert [line.partition(":")[0] for line in lines] == says
