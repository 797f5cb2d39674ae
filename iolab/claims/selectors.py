"""The judge of what lesson 04 claims."""

import selectors
from collections.abc import Mapping

from iolab.claims.verdicts import Verdict, Word, conclude, conclude_parts
from iolab.experiments.waits import WaitCost

DEFAULT = selectors.DefaultSelector.__name__
"""The class that the standard library chose for this platform when it was imported."""

LEVEL, DEARER = 1.5, 2.0
"""Up to LEVEL times the cost of the cheapest is level with it; from DEARER times on, another one is better."""


def judge_default_selector(costs: WaitCost, takes: Mapping[str, bool], default: str = DEFAULT) -> Verdict:
    """Judge C9 by the default beside all that this platform has, whatever is watched, and however often.

    `costs` has the selectors that live on, and those of a single wait (ONCE), for some numbers of
    descriptors; `takes` says of each whether it can watch a regular file.
    """
    if not any(row["us_per_wait"] for row in costs.rows if row["call"] == default):
        return conclude("C9", "cannot run here", f"{default} could not be measured: {_why_not(costs, default)}")
    counts = sorted({row["watched"] for row in costs.rows})
    parts = [part for once in ("", ", once") for count in counts if (part := _cost(costs, count, default, once))]
    parts += _file(takes, default)
    if not parts:
        return conclude("C9", "cannot tell", f"{default} was measured alone, with none to hold it against")
    return conclude_parts("C9", *parts)


def _cost(costs: WaitCost, watched: int, default: str, once: str) -> tuple[Word, str] | None:
    """Hold the default against the cheapest other one; None where one of the two has no figure."""
    kinds = {row["call"] for row in costs.rows if row["call"].endswith(", once") == bool(once)}
    cost_us = {kind: us_per_wait for kind in kinds if (us_per_wait := costs.value(watched=watched, call=kind))}
    mine_us = cost_us.pop(default + once, None)
    if mine_us is None or not cost_us:
        return None
    best = min(cost_us, key=lambda kind: cost_us[kind])
    times = mine_us / cost_us[best]
    word: Word = "holds" if times <= LEVEL else "fails" if times >= DEARER else "cannot tell"
    use = "used once" if once else "kept"
    other = best.removesuffix(", once")
    return word, f"{watched:,} watched, {use}: {default} {mine_us:,.1f} µs, {other} {cost_us[best]:,.1f}"


def _file(takes: Mapping[str, bool], default: str) -> list[tuple[Word, str]]:
    able = [kind for kind, can in takes.items() if can]
    if default not in takes or not able:
        return []
    return [
        ("holds", f"{default} takes a regular file")
        if takes[default]
        else ("fails", f"{default} refuses a regular file, {able[0]} takes it")
    ]


def _why_not(costs: WaitCost, default: str) -> str:
    reasons = [row["why_not"] for row in costs.rows if row["call"] == default and row["why_not"]]
    return reasons[0] if reasons else "it is not among the selectors of the measurement"
