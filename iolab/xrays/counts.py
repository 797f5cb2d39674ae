"""What the system calls come to: how many for a request, how many in vain, and what lies between arrival and reply."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from iolab.xrays.facts import SENDS, WAITS, Facts


@dataclass(frozen=True)
class Counts:
    """The calls of a watch."""

    requests: int
    calls: Counter[str]
    vain: int
    receives: int
    receive_bytes: int
    waits: dict[str, tuple[int, int, int]]
    """By call: how many, how many descriptors they returned in all, and how many returned none."""
    between_us: float | None
    between: Counter[str]
    """Calls of the same thread between the receive and the send of a reply."""

    @property
    def calls_per_request(self) -> float | None:
        """All calls over the requests; None without any."""
        return sum(self.calls.values()) / self.requests if self.requests else None

    @property
    def vain_share(self) -> float:
        """The share of calls that found nothing to do (EAGAIN)."""
        return self.vain / max(1, sum(self.calls.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as the JSON output has them."""
        per_request = self.calls_per_request
        return {
            "requests": self.requests,
            "calls_per_request": None if per_request is None else round(per_request, 3),
            "vain_share": round(self.vain_share, 4),
            "bytes_per_receive": round(self.receive_bytes / self.receives, 1) if self.receives else None,
            "calls": dict(self.calls.most_common()),
            "waits": [
                {"call": name, "calls": count, "ready_mean": round(ready / max(1, count - none), 2), "none_ready": none}
                for name, (count, ready, none) in self.waits.items()
            ],
            "between_us": self.between_us,
            "between": dict(self.between.most_common(8)),
        }


def count(facts: Facts, answered: int = 0) -> Counts:
    """Add up the calls; `answered` are the requests of a load, which stand where a server's receives are not seen."""
    calls = facts.counted
    requests, gaps_s, between = _turns(facts)
    return Counts(
        requests if requests * 2 >= answered else answered,
        Counter(call.name for call in calls),
        sum(call.in_vain for call in calls),
        len(facts.received),
        sum(received.call.got for received in facts.received),
        _waits(facts),
        round(median(gaps_s) * 1e6, 1) if gaps_s else None,
        between,
    )


def _waits(facts: Facts) -> dict[str, tuple[int, int, int]]:
    waits: dict[str, tuple[int, int, int]] = {}
    for call in facts.counted:
        if call.name in WAITS and call.result is not None:
            ready = min(call.got, 1) if WAITS[call.name] == "signals" else call.got
            count, total, none = waits.get(call.name, (0, 0, 0))
            waits[call.name] = count + 1, total + ready, none + (ready == 0)
    return waits


def _turns(facts: Facts) -> tuple[int, list[float], Counter[str]]:
    """Return how often a receive was followed by a send, after how long, and the calls between the two."""
    receives = {id(received.call): received.connection for received in facts.received}
    sends = {id(call): connection for call, connection in facts.sent}
    asked: dict[str, tuple[int, float]] = {}
    since: dict[int, Counter[str]] = defaultdict(Counter)
    gaps_s: list[float] = []
    between: Counter[str] = Counter()
    for call in facts.counted:
        if connection := receives.get(id(call)):
            asked[connection] = call.thread, call.end_s
            since[call.thread].clear()
        elif (connection := sends.get(id(call))) and connection in asked:
            thread, at_s = asked.pop(connection)
            gaps_s.append(call.start_s - at_s)
            between += since[thread] if thread == call.thread else Counter()
        elif call.name not in SENDS:
            since[call.thread][call.name] += 1
    return len(gaps_s), gaps_s, between
