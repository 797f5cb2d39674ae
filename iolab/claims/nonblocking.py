"""The judges of what lesson 02 claims."""

from collections.abc import Mapping, Sequence

import numpy as np

from iolab.claims.verdicts import Verdict, Word, conclude_parts
from iolab.course.files import FileReads
from iolab.display.units import count
from iolab.measurement.statistics import fewest, median_interval, pair
from iolab.trace.calls import Call
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

ENOUGH = 10
"""Calls of a kind, below which a median says nothing."""

ASKS = ("accept", "recv", "send")


def judge_nonblocking(timeline: Timeline, copies_us: Mapping[int, float], reads: FileReads) -> Verdict:
    """Judge C2: does a `recv` that has nothing to give return long before there is something, and a `read` of a file?

    The timeline is one of a client that thinks between its requests. `copies_us` says how long a
    `recv` took, by the number of bytes that it received.
    """
    return conclude_parts("C2", _socket(timeline, copies_us), _file(reads))


def _socket(timeline: Timeline, copies_us: Mapping[int, float]) -> tuple[Word, str]:
    in_vain = [call for call in timeline.find("recv") if call.result == EAGAIN]
    gaps_ns = np.diff([call.start_ns for call in timeline.find("recv") if _has_bytes(call)])
    if min(len(in_vain), len(gaps_ns)) < ENOUGH:
        few = f"only {count(len(in_vain), 'call')} in vain and {count(len(gaps_ns), 'wait')} for data were seen"
        return "cannot tell", f"{few}; {ENOUGH} are needed"
    asked_us = np.median([call.end_ns - call.start_ns for call in in_vain]) / 1e3
    gap_us = np.median(gaps_ns) / 1e3
    word: Word = "holds" if asked_us < 0.1 * gap_us else "fails" if asked_us > 0.5 * gap_us else "cannot tell"
    copies = ", ".join(f"{_bytes_take(size)} {copy_us:,.1f} µs" for size, copy_us in copies_us.items())
    because = (
        f"a recv with nothing to give came back after {asked_us:,.1f} µs, and data came every {gap_us:,.0f} µs "
        f"(medians); the copy is still yours to wait for: {copies}"
    )
    return word, because


def _file(reads: FileReads) -> tuple[Word, str]:
    """Judge by calls that slept, which a busy machine makes no more of: it only preempts."""
    if reads.why_not:
        return "cannot tell", f"no read of a file was seen to wait: {reads.why_not}"
    because = (
        f"with O_NONBLOCK, {reads.slept} of {reads.asked} reads of a regular file slept until the disk had answered, "
        f"and {reads.refused} said EAGAIN"
    )
    if reads.asked < ENOUGH or reads.slept_again > 0.1 * reads.asked:
        return "cannot tell", f"{because}; read again from memory, {reads.slept_again} slept"
    if reads.slept > 0.5 * reads.asked:
        return "fails", because
    return "holds" if reads.refused > 0.5 * reads.asked else "cannot tell", because


def judge_spinning(
    spinning: Timeline, waiting: Timeline, burnt: Mapping[str, float], p50_us: Mapping[str, Sequence[float]]
) -> Verdict:
    """Judge C3: does asking again and again burn the CPU for nothing, and is there no reason to do it?

    The two timelines are of one load; both servers use non-blocking sockets, and one of them waits
    until something is ready. `burnt` is the share of a CPU that each used without a client, by model.
    `p50_us` has the median latencies of one client, of two models in runs that took turns: that of the
    spinning server, and that of another which sleeps.
    """
    return conclude_parts("C3", _burns(spinning, waiting, burnt), _pays(spinning.model, p50_us))


def _burns(spinning: Timeline, waiting: Timeline, burnt: Mapping[str, float]) -> tuple[Word, str]:
    calls_of = {timeline.model: timeline.find(*ASKS) for timeline in (spinning, waiting)}
    if min(map(len, calls_of.values())) < ENOUGH:
        return "cannot tell", f"a server made fewer than {ENOUGH} calls on its sockets"
    vain = {model: sum(call.result == EAGAIN for call in calls) / len(calls) for model, calls in calls_of.items()}
    alone, cured = burnt[spinning.model], burnt[waiting.model]
    burns, wastes = alone > 10 * cured, vain[spinning.model] > 0.5 > vain[waiting.model]
    spares = alone < 2 * cured or vain[spinning.model] < 0.1
    because = "; ".join(
        f"{model}: {burnt[model]:.1%} of a CPU without a client, {vain[model]:.0%} of its calls in vain"
        for model in vain
    )
    return "holds" if burns and wastes else "fails" if spares else "cannot tell", because


def _pays(spinning: str, p50_us: Mapping[str, Sequence[float]]) -> tuple[Word, str]:
    (asleep,) = p50_us.keys() - {spinning}
    times = median_interval(pair(p50_us[spinning], p50_us[asleep]))
    if times is None:
        return "cannot tell", f"{len(p50_us[spinning])} runs give no interval; {fewest()} are needed"
    because = f"for one client {spinning} has {times} times the median latency of {asleep}"
    if times.high < 1:
        return "fails", f"{because}, and for that DPDK, SPDK, SO_BUSY_POLL and SQPOLL do it"
    return ("holds", f"{because}: here nobody has a reason to do it") if times.low > 1 else ("cannot tell", because)


def _bytes_take(count: int) -> str:
    return f"{count:,} bytes take" if count != 1 else "1 byte takes"


def _has_bytes(call: Call) -> bool:
    return isinstance(call.result, int) and call.result > 0
