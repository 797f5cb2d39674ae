"""The decision guide quotes what was measured, and says what was not."""

import pytest

import iolab
from iolab.course.advice import compare_costs, growth, guide, rows, several_cores, too_few, who_pays
from iolab.experiments.idle_connections import IdleCost
from tests import made_up

COSTS = {"threads": [9.0, 18.0, 8.0], "epoll": [6.0, 12.0, 5.0]}
ALIKE = {"threads": [6.0, 5.0] * 5, "epoll": [5.0, 6.0] * 5}


def test_it_quotes_both_costs_and_their_ratio() -> None:
    assert compare_costs(COSTS, "threads") == "a request costs 9.0 µs, 1.50 times that of epoll (6.0 µs)"


@pytest.mark.parametrize("missing", ["io_uring", "epoll"])
def test_it_names_what_was_not_measured(missing: str) -> None:
    costs = {name: [6.0] for name in ("io_uring", "epoll") if name != missing}
    assert compare_costs(costs, "io_uring") == f"{missing} was not measured here"


def test_a_ratio_that_could_be_chance_is_called_one() -> None:
    assert compare_costs(ALIKE, "threads").endswith("times that of epoll (5.5 µs) (cannot tell)")
    assert "cannot tell" not in compare_costs({"threads": [9.0] * 10, "epoll": [6.0] * 10}, "threads")


def test_too_few_repeats_are_told_once() -> None:
    assert [*too_few(COSTS)] == [
        "a verdict on any of these ratios takes 6 repeats, and this was 3: trust wide gaps alone"
    ]
    assert [*too_few(ALIKE)] == [*too_few({"epoll": [6.0]})] == []


def test_it_says_what_is_compared_and_what_was_not_measured() -> None:
    costs = {"uvloop": [5.0], "asyncio-protocol": [6.0], "io_uring": [7.0], "epoll": [6.0], "selectors": [6.0]}
    reasons = {row["take"]: row["because here"] for row in rows(costs | {"twisted": [12.0]}, made_up.idles())}
    assert "asyncio was not measured here; uvloop: a request costs 5.0 µs, 0.83" in reasons["a Protocol"]
    assert "of files too, which lesson 06 measures; on sockets a request costs 7.0 µs" in reasons["io_uring"]
    assert reasons["twisted, tornado"] == (
        "twisted: a request costs 12.0 µs, 2.00 times that of selectors (6.0 µs); "
        "tornado: tornado was not measured here"
    )


def test_it_quotes_the_growth_with_idle_connections() -> None:
    assert growth(made_up.idles(poll=4.0, epoll=1.0)) == (
        "with 900 idle connections a request costs 1.0 times as much by epoll, 4.0 by poll and 4.0 by select"
    )


@pytest.mark.parametrize("missing", ["poll", "epoll"])
def test_without_a_measurement_it_quotes_nothing(missing: str) -> None:
    assert growth(made_up.idles(**{missing: None})) == "idle connections could not be measured here"


def test_more_cores_are_a_model_and_said_to_be_one() -> None:
    assert several_cores(made_up.gains(2.0, 0.98).rows).endswith(
        "2 workers made 2.00 times the replies of one epoll, and threads 0.98 times; "
        "8 would make 8.0 times, by Amdahl's model"
    )
    assert several_cores([]) == several_cores(made_up.gains(1.0, 1.0, workers=1).rows)


def test_of_a_real_comparison_every_row_has_a_reason() -> None:
    advice = guide(iolab.compare(["epoll", "threads"], [2], requests=100), made_up.idles())
    assert [row["take"] for row in advice][:3] == ["blocking", "threads", "epoll, by itself or under asyncio"]
    assert "times that of epoll" in advice[1]["because here"]
    assert all(row["you have"] and row["because here"] for row in advice)


@pytest.mark.parametrize(
    ("grown", "says"),
    [
        ({}, "select and poll"),
        ({"epoll": 4.0}, "all three"),
        ({"select": 1.0, "poll": 1.0}, "none"),
        ({"select": 1.0, "poll": 1.0, "epoll": 4.0}, "epoll"),
        ({"select": None}, "select and poll"),  # which the recorded run says
    ],
)
def test_it_names_who_pays_for_the_silent(grown: dict[str, float | None], says: str) -> None:
    assert who_pays(made_up.idles(**grown)) == says


def test_of_too_few_idle_connections_it_believes_the_recorded_run() -> None:
    few = made_up.idles(select=1.0, poll=1.0)
    rows = tuple({**row, "idle": min(row["idle"], 100)} for row in few.rows)
    assert who_pays(IdleCost(rows, "")) == "select and poll"
