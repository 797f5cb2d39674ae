"""Times, sizes and numbers as one would say them."""

import pytest

from iolab.display.units import count, short_bytes, short_time


@pytest.mark.parametrize(
    ("us", "written"),
    [
        (0, "0 ns"),
        (0.0004, "0.4 ns"),
        (0.5, "500 ns"),
        (1, "1 µs"),
        (1.5, "1.5 µs"),
        (999, "999 µs"),
        (999.96, "1 ms"),
        (1000, "1 ms"),
        (12_345, "12.3 ms"),
        (999_700, "1 s"),
        (1.5e6, "1.5 s"),
        (3e9, "3,000 s"),
    ],
)
def test_a_time_has_the_unit_that_keeps_it_short(us: float, written: str) -> None:
    assert short_time(us) == written


@pytest.mark.parametrize(
    ("size", "written"),
    [(0, "0 B"), (512, "512 B"), (999.9, "1 kB"), (1_500, "1.5 kB"), (999_999, "1 MB"), (5e9, "5,000 MB")],
)
def test_a_size_has_the_unit_that_keeps_it_short(size: float, written: str) -> None:
    assert short_bytes(size) == written


def test_one_is_not_several() -> None:
    assert (count(0, "error"), count(1, "error"), count(1_500, "error")) == ("0 errors", "1 error", "1,500 errors")
