"""One server under several names: how often a comparison calls it different from itself.

Such a verdict is chance, or a flaw of the instrument. A single comparison promises 5 % of them at most. Without a
correction the verdicts of a ranking err more often, the more models there are; with Holm's correction, in 5 %
of the rankings at most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import ClassVar

from iolab.errors import LoadFailed, ServerFailed
from iolab.experiments.attempt import duration, first_that_runs, whole
from iolab.experiments.result import OnStep, Result, Row, quiet
from iolab.experiments.shape import Sign, Word, missing
from iolab.measurement.comparison import Comparison, compare
from iolab.measurement.placement import place
from iolab.measurement.statistics import ERROR, fewest, judge
from iolab.models import Model
from iolab.traffic.doubts import gather
from iolab.traffic.workload import Workload

EACH, ANY, HOLM = "each comparison alone", "a ranking, uncorrected", "a ranking, Holm's correction"
WAYS = (EACH, ANY, HOLM)

FEWEST_RANKINGS = 20
"""Fewer could hardly show that a promise of 5 % is broken."""

Family = Sequence[Sequence[float]]
"""The ratios of some models to their baseline, repeat by repeat."""

DOUBTFUL, BROKEN = 0.05, 0.01
"""The promise is in doubt, or broken, where keeping it would show so many errors less often than this."""


@dataclass(frozen=True, repr=False)
class Same(Result):
    """How many comparisons or rankings of equals call one different, one row a way to judge and number of models."""

    name = "same"
    title = "one server under several names, called different from itself"
    keys: ClassVar[dict[str, str]] = {"way": "judged", "models": "models"}
    figures: ClassVar[dict[str, str]] = {"share": "share", "different": "called different", "judged": "of"}

    @property
    def signs(self) -> list[Sign]:
        """Whether rankings with Holm's correction call equals different in 5 % of the cases at most."""
        return [sign(row) for row in self.rows if row["way"] == HOLM]


def sign(row: Row) -> Sign:
    """Judge the number of wrong rankings by the chance that a promise of 5 % would show so many, or more.

    Not by their share: of instruments that err in exactly 5 % of the cases, half show more than that.
    """
    what = f"wrong rankings of {row['models']} equals"
    if not row["judged"]:
        return missing(what, row["why_not"])
    wrong, judged = int(row["different"]), int(row["judged"])
    chance = as_many_by_chance(wrong, judged)
    word: Word = "cannot tell" if judged < FEWEST_RANKINGS or chance < DOUBTFUL else "holds"
    expected = f"where each errs in {ERROR:.0%} of the cases, so many or more show {chance:.1%} of the times"
    return Sign(what, row["share"], "fails" if chance < BROKEN else word, f"{what}: {wrong} of {judged}; {expected}")


def as_many_by_chance(wrong: int, judged: int) -> float:
    """Return the chance that so many rankings err, or more, where each does in 5 % of the cases."""
    return 1 - sum(comb(judged, count) * ERROR**count * (1 - ERROR) ** (judged - count) for count in range(wrong))


def same(
    equals: int = 6,
    rankings: int = 2,
    connections: int = 10,
    seconds: float = 0.05,
    fresh: bool = False,
    on_step: OnStep = quiet,
) -> Same:
    """Rank one server under `equals` names, several times, and count who is called different.

    Each ranking is cut into smaller ones as well: six names make three rankings of two. With `fresh`
    each run has a process of its own, which takes half a second more.
    """
    equals, rankings = whole("equals", equals, 2), whole("rankings", rankings, 1)
    model, work = (
        first_that_runs(("epoll", "poll", "select")),
        Workload(connections=connections, seconds=duration(seconds)),
    )
    names = [f"{model.name} {number}" for number in range(1, equals + 1)]
    subjects = [Model(name, function=model.serve) for name in names]
    comparisons, why_not = list[Comparison](), ""
    try:
        for number in range(rankings):
            on_step(f"ranking {number + 1} of {rankings}")
            comparisons.append(compare(subjects, [work], repeats=fewest(equals - 1), fresh=fresh))
    except (LoadFailed, ServerFailed) as error:
        why_not = str(error)
    sizes = [size for size in range(2, equals + 1) if equals % size == 0]
    families = {size: [family for each in comparisons for family in cut(each, names, size)] for size in sizes}
    rows = [row for size in sizes for row in count(families[size], size, why_not)]
    runs = [run for each in comparisons for run in each.runs]
    doubts = gather((doubt for run in runs for doubt in run.doubts), len(runs))
    return Same(tuple(rows), str(place()), tuple(doubts))


def cut(comparison: Comparison, names: Sequence[str], size: int) -> list[Family]:
    """Cut a ranking into some of this size, each with a baseline of its own and the fewest repeats that it takes."""
    groups = [names[first : first + size] for first in range(0, len(names), size)]
    repeats, (connections,) = fewest(size - 1), comparison.counts
    return [[comparison.ratios(name, group[0], connections)[:repeats] for name in group[1:]] for group in groups]


def count(families: Sequence[Family], models: int, why_not: str) -> Iterator[Row]:
    """Yield a row for each way to judge rankings of so many models: how often it calls one different."""
    alone = [[differs([ratios]) for ratios in family] for family in families]
    for way, answers in {
        EACH: [answer for family in alone for answer in family],
        ANY: [any(family) for family in alone],
        HOLM: [differs(family) for family in families],
    }.items():
        figures = dict.fromkeys(Same.figures, None) if why_not else {
            "share": round(sum(answers) / len(answers), 4), "different": sum(answers), "judged": len(answers),
        }  # fmt: skip
        yield {"way": way, "models": models, **figures, "why_not": why_not}


def differs(family: Family) -> bool:
    """Say whether any of these ratios to one baseline is called faster or slower."""
    return any(judgement.word != "cannot tell" for judgement in judge(family))
