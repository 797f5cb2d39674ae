"""What many machines measured of one load, as one result."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

from iolab.traffic.cluster.shares import Share
from iolab.traffic.doubts import Doubt
from iolab.traffic.histogram import histogram, merge, pack, percentile_us, unpack
from iolab.traffic.records import Records, failures, latencies, percentile_rows

APART = 0.1
"""Workers that begin further apart than this part of the shortest share hardly put one load."""

LOST = "lost worker"


@dataclass(frozen=True)
class Measured:
    """The figures of one share, small enough to travel; the rate is over its own time, on its own clock."""

    requests: int
    per_s: float
    duration_s: float
    client_cpu_share: float
    service: bytes
    response: bytes
    in_client: bytes | None
    open_loop: bool
    latency_of: Literal["server", "client"]
    errors: dict[str, int]
    examples: dict[str, str]
    doubts: tuple[Doubt, ...]
    statuses: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Records) -> Self:
        """Return the figures of records, the times as packed histograms."""
        return cls(
            requests=len(records),
            per_s=records.per_s,
            duration_s=records.duration_s,
            client_cpu_share=records.client_cpu_share,
            service=pack(histogram(records.service_ns)),
            response=pack(histogram(records.response_ns)),
            in_client=None if records.in_client_ns is None else pack(histogram(records.in_client_ns)),
            open_loop=records.workload.rate_per_s is not None,
            latency_of=records.latency_of,
            errors=records.errors,
            examples=records.examples,
            doubts=(*[Doubt("stopped early")] * records.stopped, *records.limits(), *records.manners()),
            statuses=records.statuses,
        )

    def summary(self) -> dict[str, Any]:
        """Return its figures under the names of `Records.summary`."""
        return figures([self], self.errors)


@dataclass(frozen=True)
class Merged:
    """What all shares measured together, by worker; a worker that was lost has its share and why, and no figures.

    `spread_s` bounds how far apart the word to begin reached the workers, in seconds of one clock; the delays of
    the schedule come on top.
    """

    shares: Mapping[str, Share]
    measured: Mapping[str, Measured]
    lost: Mapping[str, str]
    spread_s: float
    spare: tuple[str, ...] = ()
    """Workers that had nothing to do: there were more of them than connections."""

    def __len__(self) -> int:
        return sum(each.requests for each in self.measured.values())

    @property
    def succeeded(self) -> int:
        """How many requests were answered, and those of HTTP with a status of success."""
        failed = [sum(failures(each.statuses).values()) for each in self.measured.values()]
        return len(self) - sum(failed)

    @cached_property
    def service(self) -> Any:
        """The service times of all shares, as an HdrHistogram in ns."""
        return merge(unpack(each.service) for each in self.measured.values())

    @cached_property
    def response(self) -> Any:
        """The response times of all shares, as an HdrHistogram in ns."""
        return merge(unpack(each.response) for each in self.measured.values())

    @property
    def errors(self) -> dict[str, int]:
        """What went wrong by kind, lost workers among it."""
        counts: Counter[str] = Counter({LOST: len(self.lost)} if self.lost else {})
        for each in self.measured.values():
            counts.update(each.errors)
        return dict(counts)

    @property
    def examples(self) -> dict[str, str]:
        """The first of each kind in words, with the worker that saw it."""
        examples = {
            kind: f"worker {worker}: {example}"
            for worker, each in reversed(list(self.measured.items()))
            for kind, example in each.examples.items()
        }
        return examples | ({LOST: str(next(self.losses()))} if self.lost else {})

    def losses(self) -> Iterator[Doubt]:
        """Name every worker that was lost, and what it was to do."""
        for worker, why in self.lost.items():
            yield Doubt("lost worker", {"why": why}, f"worker {worker}, {self.shares[worker]}")

    @property
    def doubts(self) -> list[Doubt]:
        """Reasons to distrust this result; lost workers first."""
        of_shares = [doubt.at(f"worker {worker}") for worker, each in self.measured.items() for doubt in each.doubts]
        return [*self.losses(), *of_shares, *self._of_all()]

    def _of_all(self) -> Iterator[Doubt]:
        shortest_s = min((each.duration_s for each in self.measured.values() if each.requests), default=math.inf)
        if self.spread_s > APART * shortest_s:
            yield Doubt("spread start", {"spread_ms": self.spread_s * 1e3, "shortest_ms": shortest_s * 1e3})
        if self.spare:
            yield Doubt("spare workers", {"count": len(self.spare)})
        for error, count in self.errors.items():
            if error != LOST:
                yield Doubt("error", {"error": error, "count": count, "example": self.examples[error]})

    def percentiles(self) -> list[dict[str, Any]]:
        """Return the percentiles as `Records.percentiles` does, to the three figures of the histograms."""
        return percentile_rows(percentile_us, self.service, self.response)

    def summary(self) -> dict[str, Any]:
        """Return the figures of all under the names of `Records.summary`; rates add up, of the clients the busiest."""
        return figures(list(self.measured.values()), self.errors)

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures of each worker that was not lost."""
        return [
            {"worker": worker, "connections": self.shares[worker].workload.connections, **each.summary()}
            for worker, each in self.measured.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it in the form of the JSON output."""
        return self.summary() | {
            "workers": self.rows(),
            "lost": [str(loss) for loss in self.losses()],
            "doubts": [doubt.as_dict() for doubt in self.doubts],
            "percentiles": self.percentiles(),
            "spread_ms": round(self.spread_s * 1e3, 3),
        }


def figures(parts: list[Measured], errors: Mapping[str, int]) -> dict[str, Any]:
    """Return the figures of shares under the names of `Records.summary`."""
    service, response = (merge(unpack(getattr(each, name)) for each in parts) for name in ("service", "response"))
    packed = [each.in_client for each in parts if each.in_client is not None]
    in_client = merge(map(unpack, packed)) if parts and len(packed) == len(parts) else None
    open_loop = any(each.open_loop for each in parts)
    latency = response if open_loop else service
    statuses: Counter[str] = Counter()
    for each in parts:
        statuses.update(each.statuses)
    return {
        "requests": sum(each.requests for each in parts),
        "per_s": round(sum(each.per_s for each in parts), 1),
        **latencies(percentile_us, latency, service if open_loop else None, in_client),
        "latency_of": "client" if any(each.latency_of == "client" for each in parts) else "server",
        "errors": sum(errors.values()),
        "client_cpu_share": round(max((each.client_cpu_share for each in parts), default=0.0), 3),
        **({"statuses": dict(sorted(statuses.items()))} if statuses else {}),
    }
