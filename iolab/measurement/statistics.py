"""Statistics that admit doubt: intervals from repeated runs, and verdicts that may be *cannot tell*."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Literal

CONFIDENCE = 0.95
FEWEST = 6
"""The fewest runs that allow an interval of this confidence: 1 - 2 / 2**6 is the first above it."""

Word = Literal["faster", "slower", "cannot tell"]


@dataclass(frozen=True)
class Interval:
    """A median, and the bounds between which the true one lies with the given confidence."""

    low: float
    middle: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Return the median of some runs with its confidence interval; None if there are too few runs for one.

    The bounds are order statistics, which assumes nothing of how the values are spread
    (the interval of the sign test): the true median lies outside the k-th smallest and the
    k-th largest with the chance that a fair coin shows heads fewer than k times. Six
    values are the fewest for 95 %.
    """
    ranked, count = sorted(values), len(values)
    best = None
    for skipped in range(count // 2):
        outside = 2 * sum(comb(count, heads) for heads in range(skipped + 1)) / 2**count
        if 1 - outside < confidence:
            break
        best = Interval(ranked[skipped], median(ranked), ranked[count - 1 - skipped], 1 - outside)
    return best


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval | None:
    """Return how many times as much ours is as theirs, run by run, with its confidence interval.

    Runs are paired in their order, so that both of a pair were made at about the same time
    (A B A B): what the machine did meanwhile falls on both.
    """
    return median_interval([mine / other for mine, other in zip(ours, theirs, strict=True)])


def verdict(costs: Interval | None) -> Word:
    """Judge a ratio of costs (CPU time, latency): below 1 is faster, an interval that holds 1 cannot tell."""
    if costs is None or costs.low <= 1 <= costs.high:
        return "cannot tell"
    return "faster" if costs.high < 1 else "slower"
