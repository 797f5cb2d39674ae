"""The judge of what lesson 04 claims."""

import selectors

from iolab.claims.verdicts import Verdict, Word, conclude
from iolab.experiments.waits import WaitCost

DEFAULT = selectors.DefaultSelector.__name__
"""The class that the standard library chose for this platform when it was imported."""

MANY = 100
"""With fewer watched descriptors, Python's own cost of a call hides what the mechanism costs."""

LEVEL, DEARER = 1.5, 2.0
"""Up to LEVEL times the cost of the cheapest is level with it; from DEARER times on, another one is better."""


def judge_default_selector(costs: WaitCost, default: str = DEFAULT) -> Verdict:
    """Judge C9 by the cost of a wait of every selector that this platform has, with the most watched descriptors."""
    most = max((row["watched"] for row in costs.rows if row["us_per_wait"]), default=0)
    cost_us = {row["call"]: row["us_per_wait"] for row in costs.rows if row["watched"] == most and row["us_per_wait"]}
    mine_us = cost_us.pop(default, None)
    if mine_us is None:
        return conclude("C9", "cannot run here", f"{default} could not be measured: {_why_not(costs, default)}")
    if most < MANY:
        return conclude("C9", "cannot tell", f"only {most} descriptors were watched; {MANY} are needed")
    if not cost_us:
        return conclude("C9", "cannot tell", f"{default} was measured alone, with none to hold it against")
    best_us = min(mine_us, *cost_us.values())
    word: Word = "holds" if mine_us <= LEVEL * best_us else "fails" if mine_us >= DEARER * best_us else "cannot tell"
    others = ", ".join(f"{kind} {taken_us:,.1f}" for kind, taken_us in cost_us.items())
    because = f"with {most:,} watched, {default}, the default, takes {mine_us:,.1f} µs a wait; {others}"
    return conclude("C9", word, because)


def _why_not(costs: WaitCost, default: str) -> str:
    reasons = [row["why_not"] for row in costs.rows if row["call"] == default and row["why_not"]]
    return reasons[0] if reasons else "it is not among the selectors of the measurement"
