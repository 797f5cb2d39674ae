"""The decision guide quotes what was measured, and says what was not."""

import made_up
import pytest

import iolab
from iolab.guide import against, growth, guide

COSTS = {"threads": 9.0, "epoll": 6.0}


def test_it_quotes_both_costs_and_their_ratio() -> None:
    assert against(COSTS, "threads", "epoll", "plain") == (
        "plain; a request costs 9.0 µs, 1.50 times that of epoll (6.0 µs)"
    )


@pytest.mark.parametrize(("model", "other"), [("io_uring", "epoll"), ("epoll", "io_uring")])
def test_it_names_what_was_not_measured(model: str, other: str) -> None:
    assert against(COSTS, model, other, "completion") == "completion; io_uring was not measured here"


def test_it_quotes_the_growth_with_idle_connections() -> None:
    assert growth(made_up.idles(poll=4.0, epoll=1.0)) == (
        "with 900 idle connections a request costs 1.0 times as much by epoll, and 4.0 times as much by poll"
    )


@pytest.mark.parametrize("missing", ["poll", "epoll"])
def test_without_a_measurement_it_quotes_nothing(missing: str) -> None:
    assert growth(made_up.idles(**{missing: None})) == "idle connections could not be measured here"


def test_of_a_real_comparison_every_row_has_a_reason() -> None:
    shown = guide(iolab.compare(["epoll", "threads"], [2], requests=100), made_up.idles())
    assert [row["take"] for row in shown][:3] == ["blocking", "threads", "selectors (epoll)"]
    assert "times that of epoll" in shown[1]["because here"]
    assert all(row["you have"] and row["because here"] for row in shown)
