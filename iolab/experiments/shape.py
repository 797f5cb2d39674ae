"""Shapes: whether a run looks like another one, by ratios and growth, never by seconds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from statistics import linear_regression
from typing import Literal

Word = Literal["holds", "fails", "cannot tell", "cannot run here"]
ORDER: tuple[Word, ...] = ("holds", "cannot tell", "fails")
"""The words of what could be measured, the one that outweighs the others last."""

NO_FIGURES = "this machine has no figures for it"


@dataclass(frozen=True, repr=False)
class Sign:
    """One trait of a shape: a ratio or a growth, and the word on it."""

    what: str
    value: float | None
    word: Word
    because: str
    why_not: str = ""
    """Why it has no value."""

    def __repr__(self) -> str:
        return f"{self.word}. {self.because}"


@dataclass(frozen=True, repr=False)
class Shape:
    """What the signs say together: one word, and the figures behind it."""

    word: Word
    because: str

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"same shape: {self.word}. {self.because}"


def at_least(
    what: str,
    value: float | None,
    bound: float,
    *,
    fails_below: float,
    published: float | None = None,
    why_not: str = NO_FIGURES,
) -> Sign:
    """Expect a figure of `bound` or more; between the two bounds a run cannot tell."""
    if value is None:
        return missing(what, why_not)
    word: Word = "holds" if value >= bound else "fails" if value < fails_below else "cannot tell"
    return Sign(what, value, word, _because(what, value, f"{bound:g} or more", published))


def at_most(
    what: str,
    value: float | None,
    bound: float,
    *,
    fails_above: float,
    published: float | None = None,
    why_not: str = NO_FIGURES,
) -> Sign:
    """Expect a figure of `bound` or less; between the two bounds a run cannot tell."""
    if value is None:
        return missing(what, why_not)
    word: Word = "holds" if value <= bound else "fails" if value > fails_above else "cannot tell"
    return Sign(what, value, word, _because(what, value, f"{bound:g} or less", published))


def missing(what: str, why_not: str = NO_FIGURES) -> Sign:
    """Return the sign of what could not be measured."""
    return Sign(what, None, "cannot run here", f"{what}: cannot run here, {why_not}", why_not)


def conclude(signs: Iterable[Sign]) -> Shape:
    """Return the word of all signs: the worst of those that could be measured. A reason of all is said once."""
    signs = list(signs)
    words = {sign.word for sign in signs}
    word: Word = "cannot run here"
    for each in ORDER:
        word = each if each in words else word
    reasons = {sign.why_not for sign in signs}
    shared = reasons.pop() if len(signs) > 1 and len(reasons) == 1 else ""
    return Shape(word, shared or "; ".join(sign.because for sign in signs))


def alike(here: Sequence[Sign], there: Sequence[Sign]) -> Shape:
    """Say whether two runs have the same shape: the same word for every sign that both have."""
    others = {sign.what: sign for sign in there if sign.value is not None}
    pairs = [(sign, others[sign.what]) for sign in here if sign.value is not None and sign.what in others]
    if not pairs:
        return Shape("cannot run here", "the two runs have no ratio and no growth in common")
    because = "; ".join(f"{ours.what}: {short(ours.value)} here, {short(theirs.value)} there" for ours, theirs in pairs)
    if any({ours.word, theirs.word} == {"holds", "fails"} for ours, theirs in pairs):
        return Shape("fails", because)
    same = all(ours.word == theirs.word != "cannot tell" for ours, theirs in pairs)
    return Shape("holds" if same else "cannot tell", because)


def exponent(points: Iterable[tuple[float, float | None]]) -> float | None:
    """Return the slope of (size, cost) on double logarithmic axes: 1 grows in step, 0 stays.

    None for fewer than two sizes.
    """
    logs = [(log(size), log(cost)) for size, cost in points if cost]
    if len({x for x, _ in logs}) < 2:
        return None
    return linear_regression(*zip(*logs, strict=True)).slope


def over(ours: float | None, theirs: float | None) -> float | None:
    """Return a ratio; None where one of the two is missing."""
    return ours / theirs if ours is not None and theirs else None


def short(value: float | None) -> str:
    """Write a ratio with three digits, or as a whole number."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _because(what: str, value: float, expected: str, published: float | None) -> str:
    beside = "" if published is None else f", published {short(published)}"
    return f"{what}: {short(value)} (expected {expected}{beside})"
