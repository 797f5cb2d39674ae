"""The judges of what lesson 03 claims."""

from collections.abc import Collection

from iolab.claims.verdicts import Verdict, Word, conclude
from iolab.display.units import count
from iolab.experiments import IdleCost, WaitCost
from iolab.experiments.shape import over
from iolab.trace.recorder import EAGAIN
from iolab.trace.timeline import Timeline

CALLS = ("select", "poll", "epoll")

SPAN = 5
"""Growth is read from the fewest watched descriptors to at least this many times as many."""

GROWS, LEVEL = 3.0, 1.5
"""At or above GROWS times the cost, a call grows with what it watches; up to LEVEL times, it stays level."""

FAR = 2.0
"""At or above this many times the cost of the cheapest, a call is not close to perfect."""

POLL_IS_ASKED_OF_ALL = 200809


def judge_multiplexing(timeline: Timeline) -> Verdict:
    """Judge C4 by the calls of a multiplexing server: one thread, every connection served, hardly a call in vain."""
    calls = timeline.find("accept", "recv", "send")
    threads, connections = len({call.thread for call in calls}), timeline.records.workload.connections
    served = len({call.connection for call in calls if call.name == "send" and call.result != EAGAIN})
    if len(calls) < 10 or connections < 2:
        few = f"{count(len(calls), 'call')} for {count(connections, 'connection')} were seen; 10 for 2 are needed"
        return conclude("C4", "cannot tell", few)
    vain = sum(call.result == EAGAIN for call in calls) / len(calls)
    alone = threads == 1 and served >= connections
    word: Word = "fails" if not alone or vain > 0.5 else "cannot tell" if vain > 0.1 else "holds"
    who = "one thread" if threads == 1 else f"{threads} threads"
    because = f"{who} served {served} of {connections} connections; {vain:.0%} of {len(calls):,} calls were in vain"
    return conclude("C4", word, because)


def judge_write_list(asked: Collection[int], returned: Collection[int], full: Collection[int]) -> Verdict:
    """Judge C5 by the write list that `select` was given, the one that it returned, and the sockets that are full."""
    left_out, hidden = set(asked) - set(returned), set(full) & set(asked)
    if not hidden:
        return conclude("C5", "cannot tell", "no full socket was in the write list, so none could be left out")
    because = (
        f"of {len(asked)} in the write list {len(returned)} came back; "
        f"{len(hidden & left_out)} of {len(hidden)} full ones were left out"
    )
    word: Word = "holds" if not left_out else "fails" if hidden <= left_out else "cannot tell"
    return conclude("C5", word, because)


def judge_growth(waits: WaitCost) -> Verdict:
    """Judge C6 by the growth of a wait of `select` and `poll` from the fewest watched descriptors to the most."""
    grown = {call: growth for call in ("select", "poll") if (growth := _growth(waits, call))}
    if not grown:
        return conclude("C6", "cannot run here", _why_not(waits))
    word: Word = "cannot tell"
    if all(times >= GROWS for _, times in grown.values()):
        word = "holds"
    elif any(times < LEVEL for _, times in grown.values()):
        word = "fails"
    because = "; ".join(f"{call}: {_sentence(*growth)}" for call, growth in grown.items())
    return conclude("C6", word, because)


def judge_platforms(system: str, calls: Collection[str], posix: int) -> Verdict:
    """Judge C7 by the calls that Python has on this system, and by the standard that it keeps to.

    `system` is `sys.platform`; `posix` is `os.sysconf("SC_VERSION")`, the year and month of the
    POSIX standard (`sysconf(3)`), or 0. Since that of September 2008 `poll` is asked of every system.
    """
    because = f"on {system} Python has {', '.join(calls) or 'none of the three'}"
    linux = system.startswith("linux")
    if linux != ("poll" in calls or "epoll" in calls) or "select" not in calls:
        return conclude("C7", "fails", because)
    if "poll" in calls and posix >= POLL_IS_ASKED_OF_ALL:
        standard = f"it follows POSIX of {posix // 100}, by which every system must have `poll`, and none `epoll`"
        return conclude("C7", "fails", f"{because}; {standard}")
    return conclude("C7", "cannot tell", f"{because}; what other systems have cannot be seen from here")


def judge_epoll(waits: WaitCost, idle: IdleCost) -> Verdict:
    """Judge C8: does `epoll` stay level as more are watched, and near the cheapest where all are active?"""
    flat, poll = _growth(waits, "epoll"), _growth(waits, "poll")
    costs = {model: idle.value("cpu_us_per_request", idle=0, model=model) for model in CALLS}
    beside = over(costs["epoll"], min((cost for cost in costs.values() if cost), default=None))
    if not flat:
        return conclude("C8", "cannot run here", _why_not(waits, "epoll"))
    if not beside:
        return conclude("C8", "cannot run here", "no request was answered with epoll")
    word: Word = "cannot tell"
    if flat[1] <= LEVEL and beside <= LEVEL:
        word = "holds"
    elif flat[1] >= GROWS or beside >= FAR:
        word = "fails"
    active = ", ".join(f"{model} {cost:,.1f}" for model, cost in costs.items() if cost)
    against = f" (poll: {poll[1]:,.1f})" if poll else ""
    because = (
        f"{_sentence(*flat)}{against}; where all are active a request takes {beside:.2f} times the CPU time "
        f"of the cheapest (µs: {active})"
    )
    return conclude("C8", word, because)


def _growth(waits: WaitCost, call: str) -> tuple[float, float] | None:
    """Return the most watched over the fewest, and how many times as long a wait then takes."""
    costs = {row["watched"]: row["us_per_wait"] for row in waits.rows if row["call"] == call and row["us_per_wait"]}
    few, many = min(costs, default=0), max(costs, default=0)
    return (many / few, costs[many] / costs[few]) if few and many >= SPAN * few else None


def _sentence(watched: float, times: float) -> str:
    return f"with {watched:,.0f} times as many watched, a wait takes {times:,.1f} times as long"


def _why_not(waits: WaitCost, call: str = "") -> str:
    reasons = [row["why_not"] for row in waits.rows if row["why_not"] and row["call"].startswith(call)]
    return reasons[0] if reasons else "too few numbers of descriptors were measured"
