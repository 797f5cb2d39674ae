"""The judge of what lesson 01 claims."""

import numpy as np

from iolab.claims.verdicts import Verdict, conclude
from iolab.trace.timeline import Timeline


def judge_blocking(timeline: Timeline) -> Verdict:
    """Judge C1 by the receive stamps of a blocking server: does a `recv` wait, and then copy?"""
    waits = [
        call for call in timeline.named("recv") if isinstance(call.result, int) and call.result and call.arrived_ns
    ]
    if not timeline.stamped:
        return conclude(
            "C1", "cannot run here", "the kernel gives no receive stamps, so the two phases cannot be told apart"
        )
    slept = [call for call in waits if call.waited_ns > 0]
    if len(slept) < 10:
        return conclude(
            "C1", "cannot tell", f"only {len(slept)} calls of recv were there before their data; 10 are needed"
        )
    wait_us = np.median([call.waited_ns for call in slept]) / 1e3
    rest_us = np.median([call.end_ns - (call.arrived_ns or 0) for call in slept]) / 1e3
    because = (
        f"in {len(slept)} calls of recv the thread waited {wait_us:,.0f} µs for data, "
        f"and {rest_us:,.0f} µs more for wake-up and copy (medians)"
    )
    return conclude("C1", "holds" if wait_us > 0 and rest_us > 0 else "fails", because)
