"""The judge of what lesson 01 claims."""

import numpy as np

from iolab.claims.verdicts import Verdict, Word, conclude_parts
from iolab.display.units import count
from iolab.experiments import CopyCost
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

ENOUGH = 10
"""Calls that waited, below which nothing is said of them."""

SPAN = 1000
"""The copy is judged from the smallest size to one of at least this many times as many bytes."""

GROWS, LEVEL = 3.0, 1.5
"""A copy grows if two intervals lie GROWS times apart, and does not if LEVEL times holds both."""


def judge_blocking(timeline: Timeline, copies: CopyCost) -> Verdict:
    """Judge C1: the wait by the receive stamps of a blocking server, the copy by its growth where nobody sleeps."""
    return conclude_parts("C1", _wait(timeline), _copy(copies))


def _wait(timeline: Timeline) -> tuple[Word, str]:
    calls = timeline.find("recv")
    slept = [call for call in calls if isinstance(call.result, int) and call.result and call.waited_ns > 0]
    in_vain = [call for call in calls if call.result == EAGAIN]
    if not timeline.stamped:
        return "cannot run here", "the kernel gives no receive stamps, so no wait can be told from a copy"
    if len(slept) + len(in_vain) < ENOUGH:
        return "cannot tell", f"only {count(len(slept), 'call')} of recv came before their data; {ENOUGH} are needed"
    if in_vain:
        because = f"{len(in_vain)} of {len(slept) + len(in_vain)} calls that found nothing came back without waiting"
        return "fails" if len(in_vain) > len(slept) else "cannot tell", because
    wait_us = np.median([call.waited_ns for call in slept]) / 1e3
    return "holds", f"in {count(len(slept), 'call')} of recv the thread waited {wait_us:,.0f} µs for data (median)"


def _copy(copies: CopyCost) -> tuple[Word, str]:
    rows = [row for row in copies.rows if row["copy_us"]]
    if not rows or rows[-1]["size_bytes"] < SPAN * rows[0]["size_bytes"]:
        reason = next((row["why_not"] for row in copies.rows if row["why_not"]), "too few sizes were received")
        return "cannot tell", f"how the copy grows is not known: {reason}"
    small, large = rows[0], rows[-1]
    more_mb = (large["size_bytes"] - small["size_bytes"]) / 1e6
    because = (
        f"where the data was there before, {small['size_bytes']:,} bytes took {small['copy_us']:,.1f} µs and "
        f"{large['size_bytes']:,} took {large['copy_us']:,.1f} µs: "
        f"the copy costs {(large['copy_us'] - small['copy_us']) / more_mb:,.0f} µs for each MB"
    )
    if large["copy_low_us"] >= GROWS * small["copy_high_us"]:
        return "holds", because
    return "fails" if large["copy_high_us"] < LEVEL * small["copy_low_us"] else "cannot tell", because
