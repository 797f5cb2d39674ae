"""Statistics that admit doubt: intervals from repeated runs, and verdicts that may be *cannot tell*.

Theory of operation. Two servers are compared by the ratios of their costs, one ratio a repeat. If they are
equal, and their order in a repeat is drawn, each ratio lies above or below 1 as a fair coin falls, whatever
the machine does meanwhile: so counting sides, the sign test, is exact. It assumes nothing of how costs are
spread, nor that two repeats are alike.

Whoever compares many servers with one tosses many coins, and one of them will show six heads in a row.
Holm's correction allows for that: the clearest of m comparisons must be clear at 5 % / m, the next at
5 % / (m - 1), and so on; the first that is not ends it, and the others cannot tell. Of all rankings of
equal servers at most 5 % then call anyone faster or slower (Holm, "A simple sequentially rejective multiple
test procedure", 1979). The number of comparisons and whom they are with must be settled before the runs.

An interval holds every ratio that the test would not reject. That of a comparison is taken at the level at
which Holm's correction judged it, so that it leaves out 1 exactly where there is a verdict. Each is at least
as wide as its 95 % interval alone would be. That all hold the truth at once is not promised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, ldexp
from statistics import median
from typing import Literal

ERROR = 0.05
"""The share of rankings of equals in which chance may call one of them faster or slower."""

Word = Literal["faster", "slower", "cannot tell"]


@dataclass(frozen=True)
class Interval:
    """A median, and the bounds between which the true one lies."""

    low: float
    middle: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Judgement:
    """What repeated ratios say: their median, its interval, the p-value after Holm's correction, and the word."""

    ratio: float | None
    interval: Interval | None
    p: float
    word: Word


def median_interval(values: Sequence[float], error: float = ERROR) -> Interval | None:
    """Return the median of some runs with its confidence interval; None if there are too few runs for one.

    The bounds are order statistics, which assumes nothing of how the values are spread
    (the interval of the sign test): the true median lies outside the k-th smallest and the
    k-th largest with the chance that a fair coin shows heads fewer than k times. Six
    values are the fewest for an error of 5 %.
    """
    ranked, count = sorted(values), len(values)
    best = None
    for skipped in range(count // 2):
        if _either_tail(skipped, count) > error:
            break
        best = Interval(ranked[skipped], median(ranked), ranked[count - 1 - skipped])
    return best


def sign_test(ratios: Sequence[float]) -> float:
    """Return the chance that equals would lie at least as clearly on one side of 1; a ratio of 1 is on neither."""
    above, below = sum(each > 1 for each in ratios), sum(each < 1 for each in ratios)
    return min(1.0, _either_tail(len(ratios) - max(above, below), len(ratios)))


def judge(comparisons: Sequence[Sequence[float]]) -> list[Judgement]:
    """Judge the ratios of the costs of several servers to those of one other; a ratio below 1 is faster.

    If all are equal, chance calls any of them faster or slower in 5 % of the cases at most.
    """
    ps = [sign_test(ratios) for ratios in comparisons]
    judgements: dict[int, Judgement] = {}
    level, corrected = ERROR, 0.0
    for place, number in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        remaining = len(ps) - place
        if corrected <= ERROR:  # after the first that fails, the level stays
            level = ERROR / remaining
        corrected = max(corrected, min(1.0, remaining * ps[number]))
        judgements[number] = _judgement(comparisons[number], level, corrected)
    return [judgements[number] for number in range(len(ps))]


def fewest(comparisons: int = 1) -> int:
    """Return the fewest repeats that allow a verdict on any of so many comparisons."""
    repeats = 1
    while _either_tail(0, repeats) * comparisons > ERROR:
        repeats += 1
    return repeats


def pair(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    """Return how many times as much ours is as theirs, run by run; a pair that lacks one has no ratio."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True) if mine and other]


def verdict(costs: Interval | None) -> Word:
    """Judge a ratio of costs (CPU time, latency): below 1 is faster, an interval that holds 1 cannot tell."""
    if costs is None or costs.low <= 1 <= costs.high:
        return "cannot tell"
    return "faster" if costs.high < 1 else "slower"


def _judgement(ratios: Sequence[float], level: float, p: float) -> Judgement:
    interval = median_interval(ratios, level)
    return Judgement(median(ratios) if ratios else None, interval, p, verdict(interval))


def _either_tail(heads: int, tosses: int) -> float:
    """Return the chance that a fair coin shows one of its sides so many times or fewer."""
    return min(1.0, sum(comb(tosses, fewer) for fewer in range(heads + 1)) * ldexp(2, -tosses))
