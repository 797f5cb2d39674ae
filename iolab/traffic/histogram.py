"""Latencies as HdrHistograms, to be merged and stored: three significant figures, from 1 ns to an hour."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np

from iolab.errors import UsageError
from iolab.traffic.records import Nanoseconds, too_few

LOWEST_NS, HIGHEST_NS, FIGURES = 1, 3_600_000_000_000, 3
EXACT_BITS = 11
"""A histogram of three figures keeps numbers of up to 11 bits exactly, and of larger ones the top bits."""


def histogram(times_ns: Nanoseconds) -> Any:
    """Return an `HdrHistogram` of these times in ns; what is outside its range counts at its end.

    Raise UsageError where the package is missing (it has no wheel for this machine).
    """
    counts = empty()
    times = np.clip(times_ns, LOWEST_NS, HIGHEST_NS)
    # Recording one value is a call: so first drop the bits that the histogram would drop.
    spare = np.maximum(0, np.floor(np.log2(times)).astype(np.int64) + 1 - EXACT_BITS)
    values, numbers = np.unique((times >> spare) << spare, return_counts=True)
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        counts.record_value(value, number)
    return counts


def merge(histograms: Iterable[Any]) -> Any:
    """Return one histogram of all counts."""
    merged = empty()
    for each in histograms:
        merged.add(each)
    return merged


def percentile_us(counts: Any, percent: float) -> float | None:
    """Return a percentile in microseconds, or None if nothing that was counted lies beyond it."""
    if too_few(counts.get_total_count(), percent):
        return None
    return round(float(counts.get_value_at_percentile(percent)) / 1e3, 2)


def pack(counts: Any) -> bytes:
    """Return a histogram as the bytes that HdrHistogram stores (V2, compressed, base64)."""
    return bytes(counts.encode())


def unpack(text: bytes) -> Any:
    """Return the histogram of these bytes."""
    return type(empty()).decode(text)


def distribution(counts: Any) -> str:
    """Return the percentile distribution as the text that HdrHistogram's plotters read, in microseconds."""
    text = io.BytesIO()
    counts.output_percentile_distribution(text, 1000.0, 5)
    return text.getvalue().decode()


def empty() -> Any:
    """Return a histogram that has counted nothing."""
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError:
        raise UsageError("histograms need the package hdrhistogram: pip install hdrhistogram") from None
    return HdrHistogram(LOWEST_NS, HIGHEST_NS, FIGURES)
