"""Reasons to distrust a measurement: values with a kind and figures, which become English here and nowhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, get_args

Kind = Literal[
    "client limit", "client latency", "missed rate", "busy neighbours", "runaway", "not stopped", "coarse clock",
    "error", "stopped early", "status", "reopened", "another server", "encrypted", "silent server",
    "few repeats",
    "lost worker", "spread start", "spare workers",
    "cut", "hidden calls", "idle worker", "hidden wait", "no stamps", "completion",
    "no switches", "cut switches", "cut steps", "strace", "unseen clients", "other calls",
]  # fmt: skip

SAYS: dict[Kind, tuple[str, str]] = {
    "client limit": (
        "the client used {share:.0%} of its CPU",
        "the requests per second are its limit, not the server's",
    ),
    "client latency": (
        "the latencies are the client's",
        "it used {share:.0%} of its CPU, and no stamp tells when a reply arrived; they are marked †",
    ),
    "missed rate": (
        "asked {asked_per_s:,.0f}/s, held {held_per_s:,.0f}/s",
        "{late:,} requests were left when the time was over",
    ),
    "busy neighbours": (
        "other processes took {share:.0%} of a core on the CPUs that were used",
        "latencies are longer than they would be alone",
    ),
    "runaway": ("{names} still runs, though it was stopped", "it slows this run; restart the kernel"),
    "not stopped": (
        "{name} was not stopped, and took {share:.0%} of a CPU",
        "it slows this run; iolab.list_servers() has it, to be stopped",
    ),
    "coarse clock": ("the clock moves in steps of {step_us:,.0f} µs", "shorter times are guesses"),
    "error": ("{count} x {error}", "{example}"),
    "status": ("{count:,} responses had status {status}", "{example}"),
    "reopened": (
        "the server closed {count:,} connections behind a reply, and they were opened anew",
        "the time for that is in the response time with a rate, else in none",
    ),
    "another server": (
        "its first reply is not the one expected, but one for `{option}`",
        "in Python, http='/' or expect='echo' and so on",
    ),
    "encrypted": ("the server speaks TLS", "this load does not; ask it at a port without"),
    "silent server": (
        "not one reply came",
        "does the server wait for the end of a line (`--send 'TEXT\\n'`) or for a request of HTTP (`--http`)?",
    ),
    "stopped early": ("it was stopped before its end", ""),
    "few repeats": ("a verdict among {models} models takes {needed} repeats", "this was {repeats}"),
    "lost worker": ("lost", "{why}"),
    "spread start": (
        "the workers began up to {spread_ms:.2g} ms apart",
        "the shortest share took {shortest_ms:.3g} ms, so they were hardly one load; ask for a longer one",
    ),
    "spare workers": ("{count} of the workers had nothing to do", "each needs a connection; ask for more of them"),
    "cut": ("only the last {kept:,} calls are here", ""),
    "hidden calls": ("{model} receives and sends where it cannot be recorded", ""),
    "idle worker": ("worker {worker} was given no connection", "record another one, or use more connections"),
    "hidden wait": ("it waits in {call}", "that is not recorded"),
    "no stamps": ("there are no receive stamps here", "a wait and its wake-up are one bar"),
    "completion": ("no stamp tells when its bytes came", "wake-up time is included in the blue bar"),
    "no switches": ("when a thread was on a CPU is not known", "{why}"),
    "cut switches": ("when a thread was on a CPU is not known for {calls:,} calls", "its switches found no room"),
    "strace": (
        "times are those under strace, which stops a thread twice for each call",
        "the server's own are shorter; order and counts are the same",
    ),
    "unseen clients": (
        "nobody wrote down when the clients sent",
        "an arrival is known where no thread slept for it",
    ),
    "other calls": ("{calls:,} other calls are not here", "they are on no connection, or of other threads"),
    "cut steps": ("only the first {kept:,} steps of the kernel are here", ""),
}
"""Of each kind the fact, and its consequence."""


@dataclass(frozen=True, repr=False)
class Doubt:
    """One reason to distrust a measurement: its kind, the figures, where it arose, and how many runs share it."""

    kind: Kind
    figures: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    runs: int = 1
    of: int = 1

    def __repr__(self) -> str:
        return str(self)

    @property
    def gist(self) -> str:
        """The fact alone, without the place and the consequence."""
        return SAYS[self.kind][0].format(**self.figures)

    @property
    def share(self) -> str:
        """In how many of the runs it stands; nothing for a single run."""
        return f"{self.runs} of {self.of} runs" if self.of > 1 else ""

    def __str__(self) -> str:
        follows = SAYS[self.kind][1].format(**self.figures)
        sentence = ": ".join(filter(None, (self.where, self.gist, follows)))
        return f"{sentence} ({self.share})" if self.share else sentence

    def at(self, where: str) -> Self:
        """Return the doubt with the place where it arose."""
        return replace(self, where=where)

    def as_dict(self) -> dict[str, Any]:
        """Return the doubt as JSON holds it: the value for programs, the sentence for people."""
        return asdict(self) | {"says": str(self)}

    @classmethod
    def of_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the doubt that `as_dict` gave. Raise ValueError or KeyError for what is none."""
        if values["kind"] not in get_args(Kind):
            raise ValueError(f"expected a kind of doubt, not {values['kind']!r}")
        return cls(values["kind"], dict(values["figures"]), values["where"], values["runs"], values["of"])


def gather(doubts: Iterable[Doubt], runs: int) -> list[Doubt]:
    """Return the first doubt of each kind, with the number of runs that share it; errors of two kinds are two."""
    alike: dict[tuple[str, str | None], list[Doubt]] = {}
    for doubt in doubts:
        alike.setdefault((doubt.kind, doubt.figures.get("error")), []).append(doubt)
    return [replace(same[0], runs=len(same), of=runs) for same in alike.values()]
