"""Verdicts on the claims of the source text: one word, the figures behind it, and a place in the progress file."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from iolab import progress
from iolab.display import tables

Word = Literal["holds", "fails", "fails in part", "cannot tell", "cannot run here", "not judged yet"]

CLAIMS = {
    "C1": "A blocking call is blocked in both phases: the wait for data, and the copy to the process.",
    "C2": "A non-blocking call always returns at once, with data or with an error.",
    "C3": "Polling a non-blocking socket burns the CPU, mostly for nothing, and nobody does it in practice.",
    "C4": "With multiplexing one thread serves many clients: the system watches, the program handles what is ready.",
    "C5": "`select` returns every descriptor of the write list in its write list.",
    "C6": "With many watched objects `select` and `poll` get slow.",
    "C7": "`select` works on Windows and Linux; `poll` and `epoll` work on Linux only.",
    "C8": "`epoll` is close to perfect, thanks to lazy event callbacks.",
    "C9": "`selectors.DefaultSelector` chooses the best mechanism of the platform.",
    "C10": "In asynchronous I/O the kernel does both phases while the program goes on.",
    "C11": "Asynchronous I/O is the most efficient model.",
    "C12": "Plain Python cannot do asynchronous I/O; `asyncio` and the frameworks can.",
    "C13": "`@asyncio.coroutine` is going away; `async` and `await` take its place.",
    "C14": "Two coroutines that sleep for one second end together, after one second.",
}
"""The claims, by number, in our words."""


@dataclass(frozen=True, repr=False)
class Verdict(tables.Readable):
    """What a measurement says of a claim: one word, and the figures behind it."""

    claim: str
    word: Word
    because: str

    def row(self) -> dict[str, str]:
        """Return the verdict as a row of a table."""
        return {"claim": self.claim, "it says": CLAIMS[self.claim], "here it": self.word, "because": self.because}

    def parts(self) -> list[tables.Part]:
        """Return the verdict as a table of one row."""
        return Verdicts((self,)).parts()


@dataclass(frozen=True, repr=False)
class Verdicts(tables.Readable):
    """Several verdicts, shown as one table."""

    verdicts: tuple[Verdict, ...]

    def parts(self) -> list[tables.Part]:
        """Return the verdicts as one table."""
        return [tables.Part([each.row() for each in self.verdicts], "Claims of the source, judged on this machine")]


def conclude(claim: str, word: Word, because: str) -> Verdict:
    """Return a verdict, and record it in the progress file."""
    progress.record_or_warn("verdicts", claim, {"word": word, "because": because})
    return Verdict(claim, word, because)


def together(words: Collection[Word]) -> Word:
    """Return the word on a claim of several parts: one that fails is enough to end it, in part or as a whole."""
    if "fails" in words:
        return "fails" if set(words) == {"fails"} else "fails in part"
    return next(iter(words)) if len(set(words)) == 1 else "cannot tell"


def conclude_parts(claim: str, *parts: tuple[Word, str]) -> Verdict:
    """Return the verdict on a claim of several parts, each with its word and figures."""
    return conclude(claim, together([word for word, _ in parts]), "; ".join(because for _, because in parts))


LESSON = {
    "C1": "01", "C2": "02", "C3": "02", "C4": "03", "C5": "03", "C6": "03", "C7": "03", "C8": "03", "C9": "04",
    "C10": "06", "C11": "06", "C12": "07", "C13": "07", "C14": "07",
}  # fmt: skip
"""The lesson that judges each claim."""


def ledger() -> Verdicts:
    """Return a verdict for every claim: those in the progress file, and *not judged yet* for the others."""
    recorded = progress.section(progress.read(), "verdicts")
    return Verdicts(tuple(_entry(claim, recorded.get(claim)) for claim in CLAIMS))


def _entry(claim: str, entry: object) -> Verdict:
    if isinstance(entry, dict) and {"word", "because"} <= entry.keys():
        return Verdict(claim, entry["word"], str(entry["because"]))
    return Verdict(claim, "not judged yet", f"lesson {LESSON[claim]} judges it")
