"""The claims of the source text, and the judges that hold each against a measurement."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from iolab import progress, tables
from iolab.measure.timeline import Timeline

Word = Literal["holds", "fails", "cannot tell", "cannot run here"]

CLAIMS = {
    "C1": "A blocking call is blocked in both phases: the wait for data, and the copy to the process.",
}
"""The claims, by number, in our words."""


@dataclass(frozen=True)
class Verdict:
    """What a measurement says of a claim: one word, and the figures behind it."""

    claim: str
    word: Word
    because: str

    def row(self) -> dict[str, str]:
        """Return the verdict as a row of a table."""
        return {"claim": self.claim, "it says": CLAIMS[self.claim], "here it": self.word, "because": self.because}

    def _repr_html_(self) -> str:
        return Verdicts((self,))._repr_html_()


@dataclass(frozen=True)
class Verdicts:
    """Several verdicts, shown as one table."""

    verdicts: tuple[Verdict, ...]

    def _repr_html_(self) -> str:
        return tables.as_html(
            [verdict.row() for verdict in self.verdicts], "Claims of the source, judged on this machine"
        )


def conclude(claim: str, word: Word, because: str) -> Verdict:
    """Return a verdict, and record it in the progress file."""
    progress.record("verdicts", claim, {"word": word, "because": because})
    return Verdict(claim, word, because)


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
