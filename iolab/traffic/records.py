"""The records of a load, and what follows from them: times, rates, percentiles, and reasons to distrust them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from iolab.display.units import count
from iolab.traffic.doubts import Doubt
from iolab.traffic.workload import Workload

Nanoseconds = NDArray[np.int64]
Times = TypeVar("Times")

CLIENT_LIMIT = 0.9
"""Above this share of a CPU, it is the client that is measured."""

GRACE_NS = 10_000_000
"""A rate is held if all but 1 % were sent by then, and 1 % of the time, after the end."""


@dataclass(frozen=True, repr=False)
class Records:
    """Every request that was due after the warm-up, in the order of the replies; all times on one clock, in ns.

    `connection`, `due_ns`, `sent_ns`, `answered_ns` and `arrived_ns` have one entry a request: a reply has arrived by
    the stamp of the client's kernel (SO_TIMESTAMPING), and is answered when the client has it in hand. Where there
    are no stamps, `arrived_ns` is None, and the first that is known is when the client's wait reported it.
    `errors` counts what went wrong, by kind; `examples` has the first of each kind in words. `status` is that of each
    response, of a server of HTTP, and `reopened` how often one closed a connection behind its reply, which was opened
    anew then. `fits` is what a server seems to be of which not one reply was as expected.
    """

    workload: Workload
    connection: NDArray[np.int32]
    due_ns: Nanoseconds
    sent_ns: Nanoseconds
    answered_ns: Nanoseconds
    start_ns: int
    end_ns: int
    connect_ns: int
    client_cpu_ns: int
    client_cpu: int | None = None
    stopped: bool = False
    errors: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    arrived_ns: Nanoseconds | None = None
    status: NDArray[np.int16] | None = None
    reopened: int = 0
    fits: str = ""

    def __len__(self) -> int:
        return len(self.answered_ns)

    def __repr__(self) -> str:
        wrong = sum(self.errors.values())
        return (
            f"{len(self):,} replies on {count(self.workload.connections, 'connection')}, {count(wrong, 'error')}; "
            "summary() has the figures, frame() each request"
        )

    @property
    def reply_ns(self) -> Nanoseconds:
        """When each reply had come: as near to the server as it is known."""
        return self.answered_ns if self.arrived_ns is None else self.arrived_ns

    @property
    def service_ns(self) -> Nanoseconds:
        """Service time: from the send to the arrival of the reply."""
        return self.reply_ns - self.sent_ns

    @property
    def response_ns(self) -> Nanoseconds:
        """Response time: from when the request was due, so that waiting to be sent counts."""
        return self.reply_ns - self.due_ns

    @property
    def latency_ns(self) -> Nanoseconds:
        """What a user waits for: with a rate the response time, in a closed loop the service time."""
        return self.service_ns if self.workload.rate_per_s is None else self.response_ns

    @property
    def in_client_ns(self) -> Nanoseconds | None:
        """How long each reply lay in the client until it was in hand; None without stamps."""
        return None if self.arrived_ns is None else self.answered_ns - self.arrived_ns

    @property
    def latency_of(self) -> Literal["server", "client"]:
        """Whose the latency is: the client's, if it had hardly any CPU left and no stamp tells when replies arrived."""
        return "client" if self.arrived_ns is None and self.client_cpu_share > CLIENT_LIMIT else "server"

    @property
    def duration_s(self) -> float:
        """From the first request sent to the end of the work asked for, or to the last reply if that came earlier."""
        seconds = self.workload.seconds
        last = int(self.answered_ns.max(initial=self.start_ns))
        end = last if seconds is None else self.start_ns + int(seconds * 1e9)
        return (min(last, end) - self.start_ns) / 1e9

    @property
    def per_s(self) -> float:
        """Requests answered per second of the work; replies after its end do not count."""
        end_ns = self.start_ns + self.duration_s * 1e9
        return float((self.answered_ns <= end_ns).sum() / self.duration_s) if len(self) and self.duration_s > 0 else 0.0

    @property
    def client_cpu_share(self) -> float:
        """The share of one CPU that the client used; above 0.9 it is the client that is measured."""
        wall_ns = self.end_ns - self.start_ns + self.workload.warm_up_s * 1e9
        return self.client_cpu_ns / wall_ns if wall_ns > 0 else 0.0

    @property
    def statuses(self) -> dict[str, int]:
        """How many responses had each status; nothing for a server that speaks another protocol than HTTP."""
        counts = np.unique([] if self.status is None else self.status, return_counts=True)
        return {str(int(status)): int(count) for status, count in zip(*counts, strict=True)}

    @property
    def succeeded(self) -> int:
        """How many requests were answered, and those of HTTP with a status of success (2xx) or redirection (3xx)."""
        return len(self) - sum(failures(self.statuses).values())

    def where(self, chosen: NDArray[np.bool_]) -> "Records":
        """Return the records of some requests."""
        columns = {name: getattr(self, name)[chosen] for name in ("connection", "due_ns", "sent_ns", "answered_ns")}
        if self.arrived_ns is not None:
            columns["arrived_ns"] = self.arrived_ns[chosen]
        if self.status is not None:
            columns["status"] = self.status[chosen]
        return replace(self, **columns)

    def doubts(self) -> Iterator[Doubt]:
        """Yield every reason to distrust these records."""
        yield from self.limits()
        yield from self.mistakes()
        yield from self.manners()

    def limits(self) -> Iterator[Doubt]:
        """Yield what the client could not do: work faster, or keep to the rate that was asked for."""
        if self.client_cpu_share > CLIENT_LIMIT:
            yield Doubt("client limit", {"share": round(self.client_cpu_share, 3)})
        if self.latency_of == "client":
            yield Doubt("client latency", {"share": round(self.client_cpu_share, 3)})
        asked_per_s, late = self.workload.rate_per_s, self._late()
        if asked_per_s is not None and late > (len(self) + self.errors.get("not sent", 0)) / 100:
            figures = {"asked_per_s": asked_per_s, "held_per_s": round(self.per_s, 1), "late": late}
            yield Doubt("missed rate", figures)

    def _late(self) -> int:
        """Return how many requests of a schedule were left when its time was over."""
        seconds, start_ns = self.workload.seconds, self.start_ns
        end_ns = int(self.due_ns.max(initial=start_ns)) if seconds is None else start_ns + int(seconds * 1e9)
        grace_ns = GRACE_NS + (end_ns - start_ns) / 100
        return int((self.sent_ns > end_ns + grace_ns).sum()) + self.errors.get("not sent", 0)

    def mistakes(self) -> Iterator[Doubt]:
        """Yield what went wrong, by kind, each with its first case in words."""
        for error, times in self.errors.items():
            yield Doubt("error", {"error": error, "count": times, "example": self.examples[error]})

    def manners(self) -> Iterator[Doubt]:
        """Yield what the server does otherwise than the load expects: its protocol, its status, its connections."""
        for status, times in failures(self.statuses).items():
            example = self.examples.get(f"status {status}", "")
            yield Doubt("status", {"count": times, "status": status, "example": example})
        if self.reopened:
            yield Doubt("reopened", {"count": self.reopened})
        if self.fits == "tls":
            yield Doubt("encrypted")
        elif self.fits:
            yield Doubt("another server", {"fits": self.fits, "option": FITS[self.fits]})
        elif not len(self) and "no reply" in self.errors:
            yield Doubt("silent server")

    def per_connection(self) -> list[Nanoseconds]:
        """Return the latencies of every connection, by its number."""
        order = np.argsort(self.connection, kind="stable")
        counts = np.bincount(self.connection, minlength=self.workload.connections)
        return np.split(self.latency_ns[order], np.cumsum(counts)[:-1])

    def percentiles(self) -> list[dict[str, Any]]:
        """Return the percentiles of service and response time as rows; None where too few requests lie beyond."""
        return percentile_rows(percentile_us, self.service_ns, self.response_ns)

    def summary(self) -> dict[str, Any]:
        """Return the figures that the terminal and the JSON output show."""
        service_ns = None if self.workload.rate_per_s is None else self.service_ns
        return {
            "requests": len(self),
            "per_s": round(self.per_s, 1),
            **latencies(percentile_us, self.latency_ns, service_ns, self.in_client_ns),
            "latency_of": self.latency_of,
            "errors": sum(self.errors.values()),
            "client_cpu_share": round(self.client_cpu_share, 3),
            **({} if self.status is None else {"statuses": self.statuses}),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return all of it in the form of the JSON output."""
        doubts = [doubt.as_dict() for doubt in self.doubts()]
        return self.summary() | {"percentiles": self.percentiles(), "doubts": doubts}


FITS = {"upper": "--expect upper", "echo": "--expect echo", "any": "--expect any", "http": "--http"}
"""The option of `iolab load` that fits a server, by what its first reply is."""


def failures(statuses: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of those statuses that say that a request failed."""
    return {status: count for status, count in statuses.items() if not 200 <= int(status) < 400}


def latencies(
    percentile_us: Callable[[Times, float], float | None],
    latency: Times,
    service: Times | None,
    in_client: Times | None,
) -> dict[str, float | None]:
    """Return the percentiles of a summary, of times in a shape that `percentile_us` reads.

    The service time is there by name where the latency is another, the response time.
    """
    percents = {"p50_us": 50, "p99_us": 99, "max_us": 100}
    figures = {name: percentile_us(latency, percent) for name, percent in percents.items()}
    if service is not None:
        figures |= {f"service_{name}": percentile_us(service, percent) for name, percent in percents.items()}
    return figures | {"in_client_us": None if in_client is None else percentile_us(in_client, 50)}


PERCENTS = (50, 90, 99, 99.9, 99.99, 100)
"""The percentiles that a table can show; 100 is the slowest request."""


def percentile_rows(
    percentile_us: Callable[[Times, float], float | None], service: Times, response: Times
) -> list[dict[str, Any]]:
    """Return a row for each of PERCENTS, of service and response times in a shape that `percentile_us` reads."""
    return [
        {
            "percentile": percent,
            "service_us": percentile_us(service, percent),
            "response_us": percentile_us(response, percent),
        }
        for percent in PERCENTS
    ]


def percentile_us(times_ns: Nanoseconds, percent: float) -> float | None:
    """Return a percentile in microseconds, or None if no request lies beyond it."""
    return None if too_few(len(times_ns), percent) else round(float(np.percentile(times_ns, percent)) / 1e3, 2)


def too_few(count: int, percent: float) -> bool:
    """Say whether no request lies beyond a percentile; the median and the slowest always mean something."""
    return count == 0 or (count * (100 - percent) / 100 < 1 and percent not in (50, 100))
