"""The decision guide quotes what was measured, and says what was not."""

import pytest

import iolab
from iolab.course.advice import against, growth, guide, libraries, rows, several_cores
from tests import made_up

COSTS = {"threads": [9.0, 18.0, 8.0], "epoll": [6.0, 12.0, 5.0]}


def test_it_quotes_both_costs_and_their_ratio() -> None:
    assert against(COSTS, "threads", "epoll", "plain") == (
        "plain; a request costs 9.0 µs, 1.50 times that of epoll (6.0 µs)"
    )


@pytest.mark.parametrize(("model", "other"), [("io_uring", "epoll"), ("epoll", "io_uring")])
def test_it_names_what_was_not_measured(model: str, other: str) -> None:
    assert against(COSTS, model, other, "completion") == "completion; io_uring was not measured here"


def test_every_library_is_quoted() -> None:
    assert libraries({"twisted": [12.0], "tornado": [15.0], "selectors": [6.0]}, "selectors") == (
        "twisted: a request costs 12.0 µs, 2.00 times that of selectors (6.0 µs); "
        "tornado: a request costs 15.0 µs, 2.50 times that of selectors (6.0 µs)"
    )
    assert libraries({"twisted": [12.0], "selectors": [6.0]}, "selectors").endswith("; tornado was not measured here")


def test_it_says_what_is_compared_and_what_was_not_measured() -> None:
    costs = {"uvloop": [5.0], "asyncio-protocol": [6.0], "io_uring": [7.0], "epoll": [6.0]}
    reasons = {row["take"]: row["because here"] for row in rows(costs, made_up.idles())}
    assert reasons["uvloop"].startswith(
        "a Protocol, on a loop in C; a request costs 5.0 µs, 0.83 times that of asyncio-p"
    )
    assert "of files too, which lesson 06 measures" in reasons["io_uring"]


def test_it_quotes_the_growth_with_idle_connections() -> None:
    assert growth(made_up.idles(poll=4.0, epoll=1.0)) == (
        "with 900 idle connections a request costs 1.0 times as much by epoll, and 4.0 times as much by poll"
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
    assert [row["take"] for row in advice][:3] == ["blocking", "threads", "selectors (epoll)"]
    assert "times that of epoll" in advice[1]["because here"]
    assert all(row["you have"] and row["because here"] for row in advice)
