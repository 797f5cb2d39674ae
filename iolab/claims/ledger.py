"""The ledger: every claim of the source with the verdict that this learner's machine has given so far."""

from iolab import progress
from iolab.claims.verdicts import CLAIMS, Verdict, Verdicts

LESSON = {
    "C1": "01", "C2": "02", "C3": "02", "C4": "03", "C5": "03", "C6": "03", "C7": "03", "C8": "03", "C9": "04",
    "C10": "06", "C11": "06", "C12": "07", "C13": "07", "C14": "07",
}  # fmt: skip
"""The lesson that judges each claim."""


def ledger() -> Verdicts:
    """Return a verdict for every claim: those in the progress file, and *not judged yet* for the others."""
    recorded = progress.section(progress.read(), "verdicts")
    return Verdicts(tuple(_entry(claim, recorded.get(claim)) for claim in CLAIMS))


def _entry(claim: str, found: object) -> Verdict:
    if isinstance(found, dict) and {"word", "because"} <= found.keys():
        return Verdict(claim, found["word"], str(found["because"]))
    return Verdict(claim, "not judged yet", f"lesson {LESSON[claim]} judges it")
