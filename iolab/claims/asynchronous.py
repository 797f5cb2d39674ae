"""The judges of what lesson 06 claims."""

from collections.abc import Collection

from iolab.claims.verdicts import Verdict, Word, conclude
from iolab.course.delivery import Delivery
from iolab.measurement.comparison import Comparison
from iolab.measurement.statistics import Judgement, fewest, judge

LIBRARY, KERNEL = "aio", "io_uring"
"""The asynchronous models; the best of them stands for asynchronous I/O."""


def judge_asynchronous(deliveries: Collection[Delivery]) -> Verdict:
    """Judge C10 by what the server's ring brought while the program made no call, where `poll` brings nothing.

    A ring without flags stands beside it, and has no say: it brings the bytes by interrupting the program.
    """
    by_way = {delivery.way: delivery for delivery in deliveries}
    ring = by_way.get(KERNEL, Delivery(KERNEL, 0, 0, "no bytes were asked for with io_uring"))
    if ring.why_not:
        return conclude("C10", "cannot run here", ring.why_not)
    because = "the bytes were there without another call that receives: " + ", ".join(
        f"with {each.way} {each.brought} of {each.asked} times"
        + (f" (copied by {each.copied_by})" if each.copied_by else "")
        for each in by_way.values()
        if not each.why_not
    )
    if ring.asked < 10 or 0 < ring.brought < ring.asked or by_way.get("poll", ring).brought not in (0, ring.brought):
        return conclude("C10", "cannot tell", because)
    return conclude("C10", "holds" if ring.brought else "fails", because)


def judge_most_efficient(comparison: Comparison) -> Verdict:
    """Judge C11 by the CPU time per request of io_uring, beside that of each other model, in runs that took turns.

    All that it is held against, at every number of connections, are one family for Holm's correction.
    """
    rivals = [
        (model, connections)
        for model, connections in comparison.groups
        if (KERNEL, connections) in comparison.groups and model not in (LIBRARY, KERNEL)
    ]
    if not rivals:
        return conclude("C11", "cannot run here", "io_uring and another model were not both measured")
    ratios = [comparison.ratios(KERNEL, *rival) for rival in rivals]
    pairs, needed = min(map(len, ratios)), fewest(len(rivals))
    if pairs < needed:
        return conclude("C11", "cannot tell", f"{pairs} pairs of runs give no interval; {needed} are needed")
    judgements = judge(ratios)
    figures = [_because(*rival, judgement) for rival, judgement in zip(rivals, judgements, strict=True)]
    return conclude("C11", _word({judgement.word for judgement in judgements}), "; ".join(figures))


def _because(model: str, count: int, judgement: Judgement) -> str:
    times = f"{judgement.interval} times the CPU time of {model} for a request"
    return f"at {count} connections io_uring takes {times}: {judgement.word}"


def _word(words: set[str]) -> Word:
    # One load under which another model is cheaper is enough: the claim is about all.
    if "slower" in words:
        return "fails"
    return "holds" if words == {"faster"} else "cannot tell"
