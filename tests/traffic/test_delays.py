"""The client against a server of known delay: its percentiles are those of what the server itself wrote down.

`delayed.py` sleeps, and a sleep overshoots: so the truth is not the delay that was asked for,
but the time from the arrival of every request to its reply, by the server's own clock.
The bounds hold on a quiet machine (`certify`). Beside other work only the order holds:
the client's time of a request contains the server's, and no request is lost or invented.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from iolab.measurement.placement import place
from iolab.traffic.records import percentile_us
from tests.traffic.truth import Truth, deviation, measured

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server of known delay needs epoll and its stamps")

MS = 1e-3
REPEATS, PERCENTS = 5, (50, 99, 99.9)
DELAYS: dict[str, dict[str, Any]] = {
    "0 ms": {"delays_s": [0.0], "connections": 1},
    "1 ms": {"delays_s": [MS], "connections": 4},
    "10 ms": {"delays_s": [10 * MS], "connections": 20, "ramp_s": 10 * MS},
    "100 ms": {"delays_s": [100 * MS], "connections": 200, "ramp_s": 100 * MS},
    "1 ms, and 20 ms for 1 %": {"delays_s": [MS] * 99 + [20 * MS], "connections": 4},
}
LOOPS: dict[str, dict[str, Any]] = {"closed": {}, "open": {"rate_per_s": 1000}}

every_delay = pytest.mark.parametrize("case", DELAYS.values(), ids=list(DELAYS))
every_loop = pytest.mark.parametrize("loop", LOOPS.values(), ids=list(LOOPS))


def contains(made: Truth) -> bool:
    """Say whether every request arrived after its send, and was replied to before its answer came."""
    after, before = made.records.sent_ns <= made.arrived_ns, made.replied_ns <= made.records.answered_ns
    return bool(after.all() and before.all())


@every_loop
@every_delay
def test_the_time_of_a_request_contains_the_servers(case: dict[str, Any], loop: dict[str, Any]) -> None:
    made = measured(**case, **loop, seconds=0.4)
    assert contains(made)
    for percent in PERCENTS:
        assert np.percentile(made.records.service_ns, percent) > np.percentile(made.delay_ns, percent)
    assert made.delay_ns.min() >= 1e9 * min(case["delays_s"])
    slow = (made.delay_ns >= 1e9 * max(case["delays_s"])).sum()
    assert slow >= len(made.records) // len(case["delays_s"]) - case["connections"]


@every_loop
def test_the_median_of_long_delays_is_the_servers(loop: dict[str, Any]) -> None:
    made = measured([100 * MS], connections=10, ramp_s=100 * MS, seconds=1, **dict.fromkeys(loop, 50))
    assert deviation(made.records.service_ns, made.delay_ns, 50) < 1


@pytest.mark.certify
@every_loop
@every_delay
def test_percentiles_are_the_servers(case: dict[str, Any], loop: dict[str, Any]) -> None:
    spin = place().client is not None  # the wake-up of an idle CPU, 25 us on a virtual one, is neither's
    runs = [measured(**case, **loop, seconds=4, spin=spin) for _ in range(REPEATS)]
    for percent in PERCENTS:
        assert np.median([deviation(run.records.service_ns, run.delay_ns, percent) for run in runs]) < 1


@pytest.mark.certify
class TestStall:
    """A stall of a tenth of the run, seen from when requests were due, and from when they were sent."""

    AT_S, FOR_S, SECONDS, RATE = 0.5, 0.2, 2.0, 500

    def stalled(self, scale: float = 1, **work: Any) -> Truth:
        return measured([0.0], scale * self.AT_S, scale * self.FOR_S, seconds=scale * self.SECONDS, **work)

    def expected_ns(self, made: Truth) -> NDArray[np.int64]:
        """Return the least response time of every request: what was due in the stall waits for its end."""
        assert made.stall_ns is not None
        begin_ns, end_ns = made.stall_ns
        due_ns = made.records.due_ns
        return np.where((due_ns >= begin_ns) & (due_ns < end_ns), end_ns - due_ns, 0)

    def test_whoever_was_due_in_it_waited_for_its_end(self) -> None:
        made = self.stalled(connections=10, rate_per_s=self.RATE)
        expected_ns = self.expected_ns(made)
        assert len(made.records) == self.RATE * self.SECONDS
        assert (made.records.response_ns >= expected_ns).all()
        assert (expected_ns > 0).sum() == pytest.approx(self.RATE * self.FOR_S, rel=0.25)  # as long as it really was
        for percent in (90, 95, 99):
            assert np.percentile(made.records.response_ns, percent) >= np.percentile(expected_ns, percent)

    def test_timed_from_the_send_one_request_a_connection_saw_it(self) -> None:
        made = self.stalled(connections=10, rate_per_s=self.RATE)
        assert 1 <= self.saw(made, made.records.sent_ns) <= 10
        assert self.saw(made, made.records.due_ns) >= self.RATE * self.FOR_S / 2 - 1

    def test_a_closed_loop_hardly_sees_it(self) -> None:
        made = self.stalled(connections=10)
        assert 1 <= self.saw(made, made.records.due_ns) <= 10 < len(made.records) / 100

    def saw(self, made: Truth, since_ns: NDArray[np.int64]) -> int:
        """Return how many requests had begun by the middle of the stall, and had no reply."""
        assert made.stall_ns is not None
        middle_ns = sum(made.stall_ns) // 2
        return int(((since_ns <= middle_ns) & (made.records.answered_ns > middle_ns)).sum())

    @pytest.mark.certify
    def test_a_second_in_ten_shows_as_arithmetic_says(self) -> None:
        made = self.stalled(5, connections=10, rate_per_s=self.RATE)
        usual_ns = np.median(made.records.response_ns)
        expected_ns = self.expected_ns(made) + usual_ns
        for percent, at_s in ((95, 0.5), (99, 0.9), (99.9, 0.99)):
            assert deviation(made.records.response_ns, expected_ns, percent) < 1
            assert np.percentile(made.records.response_ns, percent) == pytest.approx(at_s * 1e9, rel=0.03)


@pytest.mark.parametrize("draw", [np.random.default_rng(7).integers, np.random.default_rng(8).permutation])
def test_percentiles_are_numpys(draw: Callable[..., NDArray[np.int64]]) -> None:
    times_ns = draw(10_000_000) if draw.__name__ == "permutation" else draw(1, 10**9, 123_457)
    for percent in (50, 90, 99, 99.9, 99.99, 100):
        found_us = percentile_us(times_ns, percent)
        assert found_us == pytest.approx(np.percentile(times_ns, percent) / 1e3, abs=0.00501)
    assert percentile_us(times_ns[:999], 99.9) is None
