"""The judges of what lesson 02 claims."""

from collections.abc import Mapping

import numpy as np

from iolab.claims.verdicts import Verdict, Word, conclude
from iolab.trace.calls import Call
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

ENOUGH = 10
"""Calls of a kind, below which a median says nothing."""

ASKS = ("accept", "recv", "send")


def judge_nonblocking(timeline: Timeline, copies_us: Mapping[int, float]) -> Verdict:
    """Judge C2: does a `recv` that has nothing to give return long before there is something?

    The timeline is one of a client that thinks between its requests. `copies_us` says how long a
    `recv` took, by the number of bytes that it received.
    """
    in_vain = [call for call in timeline.named("recv") if call.result == EAGAIN]
    gaps_ns = np.diff([call.start_ns for call in timeline.named("recv") if _has_bytes(call)])
    if min(len(in_vain), len(gaps_ns)) < ENOUGH:
        few = f"only {len(in_vain)} calls in vain and {len(gaps_ns)} waits for data were seen; {ENOUGH} are needed"
        return conclude("C2", "cannot tell", few)
    asked_us = np.median([call.end_ns - call.start_ns for call in in_vain]) / 1e3
    gap_us = np.median(gaps_ns) / 1e3
    word: Word = "holds" if asked_us < 0.1 * gap_us else "fails" if asked_us > 0.5 * gap_us else "cannot tell"
    copies = ", ".join(f"{_bytes_take(size)} {taken:,.1f} µs" for size, taken in copies_us.items())
    because = (
        f"a recv with nothing to give came back after {asked_us:,.1f} µs, and data came every {gap_us:,.0f} µs "
        f"(medians); the copy is still yours to wait for: {copies}"
    )
    return conclude("C2", word, because)


def judge_spinning(spinning: Timeline, waiting: Timeline, burnt: Mapping[str, float]) -> Verdict:
    """Judge C3: does asking again and again burn the CPU for nothing, and does waiting first cure it?

    The two timelines are of one load; both servers use non-blocking sockets, and one of them waits
    until something is ready. `burnt` is the share of a CPU that each used without a client, by model.
    """
    asked = {timeline.model: timeline.named(*ASKS) for timeline in (spinning, waiting)}
    if min(map(len, asked.values())) < ENOUGH:
        return conclude("C3", "cannot tell", f"a server made fewer than {ENOUGH} calls on its sockets")
    vain = {model: sum(call.result == EAGAIN for call in calls) / len(calls) for model, calls in asked.items()}
    alone, cured = burnt[spinning.model], burnt[waiting.model]
    burns, wastes = alone > 10 * cured, vain[spinning.model] > 0.5 > vain[waiting.model]
    spares = alone < 2 * cured or vain[spinning.model] < 0.1
    because = "; ".join(
        f"{model}: {burnt[model]:.1%} of a CPU without a client, {vain[model]:.0%} of its calls in vain"
        for model in vain
    )
    word: Word = "holds" if burns and wastes else "fails" if spares else "cannot tell"
    return conclude("C3", word, f"{because}; both use non-blocking sockets, and the second asks only what is ready")


def _bytes_take(count: int) -> str:
    return f"{count:,} bytes take" if count != 1 else "1 byte takes"


def _has_bytes(call: Call) -> bool:
    return isinstance(call.result, int) and call.result > 0
