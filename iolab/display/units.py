"""Times, sizes and numbers of things, as one would say them."""


def short_time(time_us: float) -> str:
    """Write a time in microseconds in three digits, with the unit that keeps it short."""
    return _shorten(time_us, (("s", 1e6), ("ms", 1e3), ("µs", 1.0), ("ns", 1e-3)))


def short_bytes(size_bytes: float) -> str:
    """Write a size in three digits, with the unit that keeps it short."""
    return _shorten(size_bytes, (("MB", 1e6), ("kB", 1e3), ("B", 1.0)))


def count(number: int, thing: str) -> str:
    """Write how many there are of a thing whose plural ends in s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _shorten(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """Write a value in the first unit of which there is one, once it is rounded: 999.9 ms are 1 s."""
    for unit, factor in units:
        digits = float(f"{value / factor:.3g}")
        if digits >= 1 or unit == units[-1][0]:
            return f"{digits:g} {unit}" if digits < 1000 else f"{digits:,.0f} {unit}"
    raise AssertionError(units)
