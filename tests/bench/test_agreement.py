"""The load client and the C client, on the same server at the same rates, taking turns: they see the same."""

import pytest

from bench.agreement import LIMITS, RATES, Agreement, agreement

pytestmark = pytest.mark.usefixtures("built")


@pytest.mark.certify
@pytest.mark.parametrize("rate_per_s", RATES)
def test_percentiles_are_those_of_the_c_client(rate_per_s: int) -> None:
    (result,) = agreement([rate_per_s])
    for percent, limit in LIMITS.items():
        assert abs(result.ratio(f"p{percent}") - 1) <= limit, result.row()


def test_both_clients_measure_in_turn() -> None:
    (result,) = agreement([500], rounds=1)
    assert len(result.ours) == len(result.theirs) == 1
    assert result.row()["rate/s"] == 500
    assert all(figure > 0 for run in (*result.ours, *result.theirs) for figure in run.values())


def test_rounds_are_compared_each_with_itself() -> None:
    ours = [{"p50": value, "p99": 100.0} for value in (90.0, 105.0, 400.0)]
    theirs = [{"p50": value, "p99": 100.0} for value in (100.0, 100.0, 800.0)]
    result = Agreement(1000, ours, theirs)
    assert result.medians("p50") == (105, 100)
    assert result.ratio("p50") == 0.9 and result.holds()
    assert not Agreement(1000, [{"p50": 111.0, "p99": 100.0}], [{"p50": 100.0, "p99": 100.0}]).holds()
    assert not Agreement(1000, [{"p50": 100.0, "p99": 74.0}], [{"p50": 100.0, "p99": 100.0}]).holds()
