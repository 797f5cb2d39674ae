"""What repeated ratios allow to be said, and how many of them it takes."""

import random

import pytest

from iolab.measurement.statistics import fewest, judge, median_interval, pair, sign_test


@pytest.mark.parametrize(("models", "repeats"), [(2, 6), (3, 7), (5, 8), (10, 9), (19, 10)])
def test_more_models_take_more_repeats(models: int, repeats: int) -> None:
    assert fewest(models - 1) == repeats
    for count, word in ((repeats, "slower"), (repeats - 1, "cannot tell")):
        clear = judge([[2.0] * count for _ in range(models - 1)])
        assert {judgement.word for judgement in clear} == {word}


@pytest.mark.parametrize(
    ("ratios", "p"),
    [([], 1), ([2.0] * 6, 2 / 64), ([0.5] * 6, 2 / 64), ([2.0] * 5 + [0.5], 14 / 64), ([2.0] * 5 + [1.0], 14 / 64)],
)
def test_the_sign_test_counts_sides(ratios: list[float], p: float) -> None:
    assert sign_test(ratios) == pytest.approx(p)


def test_the_next_comparison_may_be_less_clear() -> None:
    """Of two, one must be clear at 2.5 %; then 5 % is enough for the other, and not before."""
    clear, fair, unclear = [1.2] * 9, [1.2] * 8 + [0.9], [1.2] * 5 + [0.9] * 4
    assert sign_test(fair) == pytest.approx(20 / 512)
    assert [each.word for each in judge([clear, fair])] == ["slower", "slower"]
    assert [each.word for each in judge([fair, unclear])] == ["cannot tell", "cannot tell"]
    assert [each.p for each in judge([fair, clear])] == pytest.approx([20 / 512, 2 * 2 / 512])


def test_an_interval_leaves_out_1_where_there_is_a_verdict_and_nowhere_else() -> None:
    draw = random.Random(1)
    for _ in range(500):
        models, repeats = draw.randint(2, 6), draw.randint(4, 14)
        comparisons = [[draw.lognormvariate(shift, 0.1) for _ in range(repeats)] for shift in range(models)]
        comparisons = [[each / 10**place for each in ratios] for place, ratios in enumerate(comparisons)]
        for ratios, judgement in zip(comparisons, judge(comparisons), strict=True):
            alone = median_interval(ratios)
            left_out = judgement.interval is not None and not judgement.interval.low <= 1 <= judgement.interval.high
            assert left_out == (judgement.word != "cannot tell") == (judgement.p <= 0.05)
            if judgement.interval and alone:
                assert judgement.interval.low <= alone.low <= alone.high <= judgement.interval.high


def test_what_has_no_cost_has_no_ratio() -> None:
    assert pair([1.0, None, 3.0], [2.0, 2.0, None]) == [0.5]
    (nothing,) = judge([[]])
    assert (nothing.ratio, nothing.interval, nothing.p, nothing.word) == (None, None, 1.0, "cannot tell")
